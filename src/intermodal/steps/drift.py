"""The step `drift`: whether new reviews still look like those that the champion was trained on."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Output

from intermodal.core.step import step


@step(
    image="core",
    cpu="1",
    memory="2Gi",
    capabilities=("mlflow",),
    still_valid="intermodal.tracking.fetching:alias_unmoved",
)
def drift(
    reviews: Input[Dataset],
    findings: Output[Dataset],
    report: Output[HTML],
    notes: Output[Markdown],
    metrics: Output[Metrics],
    reference: Input[Dataset] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    registered_model: str = "reviews",
    alias: str = "champion",
    psi_threshold: float = 0.25,
    words_threshold: float = 0.1,
) -> str:
    """Compare new reviews with what a model was trained on: rating, length, category, vocabulary.

    Answers "drifted", "stable", or "no reference" when there is no champion yet, or one that does not say what it was
    trained on. A difference counts when it is above its threshold and more than chance explains.

    Args:
        reviews: The new reviews, as `ingest` or `validate` writes them.
        findings: `drift.json`: every measure with its threshold, and the counts behind it.
        report: The measures and distributions as a page.
        notes: The verdict as Markdown.
        metrics: Every measure.
        reference: Output of `featurize` to compare with, instead of what the registered model carries.
        registered_model: Name in the MLflow model registry, whose champion carries counts of its training data.
        alias: Which of its versions.
        psi_threshold: Population stability index of rating, length and category that counts; 0.25 is a shift, below
            0.10 is none (Siddiqi 2006, Credit Risk Scorecards).
        words_threshold: Jensen-Shannon distance of the vocabulary that counts, from 0 to 1 (Lin 1991).
    """
    import json
    from pathlib import Path

    from intermodal.report.kfp_visuals import markdown_table, write_page
    from intermodal.report.step_pages import build_drift_page
    from intermodal.text.drift import Limits, compare, verdict_of
    from intermodal.text.reference import describe_reviews, read_reference
    from intermodal.text.review_files import find_reviews
    from intermodal.tracking.fetching import champion_version, fetched_model

    limits = Limits(psi_threshold, words_threshold)
    known = None
    if reference is not None:
        known = read_reference(Path(reference.path))
    elif version := champion_version(registered_model, alias):
        with fetched_model(f"models:/{registered_model}/{version}") as champion:
            known = read_reference(champion.directory)
    if reference is None:
        findings.metadata.update(registered_model=registered_model, alias=alias, version=version)
    current = describe_reviews(find_reviews(Path(reviews.path)), list((known or {}).get("words", ())))
    shifts = [shift.to_json() for shift in compare(known, current, limits)] if known else []
    verdict, sentence = verdict_of(shifts)
    Path(findings.path).mkdir(parents=True)
    said = {"verdict": verdict, "shifts": shifts, "reference": known, "current": current}
    text = json.dumps(said, indent=1, ensure_ascii=False)
    (Path(findings.path) / "drift.json").write_text(text + "\n", encoding="utf-8")
    findings.metadata.update(verdict=verdict, rows=current["rows"])
    write_page(report.path, build_drift_page(shifts, known or {}, current, sentence))
    shown = [{name: item[name] for name in ("name", "measure", "value", "threshold", "drifted")} for item in shifts]
    write_page(notes.path, markdown_table(sentence, shown))
    metrics.log_metric("rows", current["rows"])
    metrics.log_metric("drifted", float(verdict != "stable"))
    for shift in shifts:
        metrics.log_metric(f"{shift['name']}_{'psi' if shift['measure'] == 'PSI' else 'js_distance'}", shift["value"])
    return verdict
