"""Check reviews against a suite of data-quality checks, and part clean rows from bad ones."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Output

from intermodal.core.step import step


@step(image="core", cpu="2", memory="2Gi")
def validate(
    reviews: Input[Dataset],
    clean: Output[Dataset],
    quarantine: Output[Dataset],
    report: Output[Dataset],
    summary: Output[HTML],
    metrics: Output[Metrics],
    notes: Output[Markdown],
    checks: dict = {},  # type: ignore[type-arg]  # noqa: B006 - KFP reads the default, nothing writes to it
    quarantine_level: str = "Error",
) -> None:
    """Check the data; stop if an Error check fails, part bad rows from clean ones otherwise.

    Args:
        reviews: Parquet files, in one directory or partitioned.
        clean: The rows that pass, in files of the same names.
        quarantine: The rows that fail, with the names of what they fail in the column failed_checks.
        report: validation.json: every constraint with its value, its failing rows and samples of them.
        summary: The report as a page.
        metrics: Rows, clean and quarantined rows, failed constraints, and every metric of a column.
        notes: The outcome and what fails, as Markdown.
        checks: Suite of checks in Deequ's vocabulary, {"checks": [{"level": "Error", "description": "…",
            "constraints": [{"method": "isComplete", "column": "review_id"}]}]}; empty for that of reviews.
        quarantine_level: Lowest level of check whose failing rows are quarantined: Error or Warning.
    """
    from pathlib import Path

    from intermodal.core.events import log_progress
    from intermodal.quality.checks import Level
    from intermodal.quality.document import final_metrics, to_document, write_report
    from intermodal.quality.embedded.engine import EmbeddedEngine
    from intermodal.quality.embedded.split import find_rejects, write_clean, write_quarantine
    from intermodal.quality.review_suite import review_suite
    from intermodal.quality.suite import read_level, read_suite
    from intermodal.quality.verification import check_names, nothing_left, rejection, verify
    from intermodal.report.kfp_visuals import write_page
    from intermodal.report.notes import validation_notes

    level: Level = read_level(quarantine_level)
    suite = read_suite(checks) if checks else review_suite()
    engine = EmbeddedEngine(reviews.path)
    if checks:
        check_names(engine, suite)
    log_progress(0, 4, "stages", "computing metrics")
    verification = verify(engine, suite)
    log_progress(1, 4, "stages", "finding bad rows")
    rejects = find_rejects(engine.source, verification.rejecting(level))
    document = to_document(verification, rejects.by_constraint, level)
    write_report(document, Path(report.path), Path(summary.path))
    write_page(notes.path, validation_notes(document))
    for name, value in final_metrics(document).items():
        metrics.log_metric(name, value)
    log_progress(2, 4, "stages", "writing the quarantine")
    write_quarantine(engine.source, rejects, Path(quarantine.path))
    quarantine.metadata["rows"] = document["quarantined_rows"]
    # The report and the quarantine are written by now: a rejected run leaves what explains it.
    error = rejection(verification) or nothing_left(document)
    if error is not None:
        raise error
    log_progress(3, 4, "stages", "writing the clean rows")
    write_clean(engine.source, rejects, Path(clean.path))
    clean.metadata["rows"] = document["clean_rows"]
    report.metadata["status"] = document["status"]
    log_progress(4, 4, "stages", "done")
