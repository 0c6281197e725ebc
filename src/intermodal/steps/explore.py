"""The step `explore`: look at the reviews before anything is done to them."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Output

from intermodal.core.step import step


@step(image="core", cpu="2", memory="2Gi")
def explore(
    reviews: Input[Dataset],
    profile: Output[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    notes: Output[Markdown],
    top: int = 10,
    engine: str = "local",
) -> None:
    """Profile the reviews: ratings, categories, years, lengths, helpful votes, products, gaps.

    Args:
        reviews: Reviews as `ingest` writes them: Parquet files with the fifteen columns.
        profile: Directory with `profile.json`: every count behind the plots.
        report: The plots as one self-contained page.
        metrics: Rows, mean rating, share of verified purchases, median words.
        notes: The same with the ratings and categories, as Markdown.
        top: Number of most reviewed products, and of categories listed by name; from 1.
        engine: "local", or "athena": the questions are asked as SQL over a table of the Glue catalogue; the answers
            are the same, but that Athena counts customers exactly, where the local engine estimates.
    """
    from pathlib import Path

    from intermodal.core.events import log_progress
    from intermodal.errors import UsageError
    from intermodal.report.profile_engines import profile_with
    from intermodal.report.profile_outputs import profile_metrics, write_profile

    if top < 1:
        raise UsageError("top must be at least 1", seen=top, expected="1 or more", next_step="explore --top 10")
    log_progress(0, 1, "scans", "counting")
    found = profile_with(engine, reviews.path, top, reviews.uri, reviews.metadata)
    write_profile(found, Path(profile.path), Path(report.path), Path(notes.path))
    profile.metadata["rows"] = found["rows"]
    for name, value in profile_metrics(found).items():
        metrics.log_metric(name, value)
    log_progress(1, 1, "scans", "done")
