"""The step `register`: the champion gate before the model registry."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="core", memory="4Gi", capabilities=("mlflow",), still_valid="intermodal.tracking.registry:version_exists")
def register(
    model: Input[Model],
    evaluation: Input[Dataset],
    features: Input[Dataset],
    registration: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    notes: Output[Markdown],
    registered_model: str = "reviews",
    alias: str = "champion",
    floor_accuracy: float = 0.30,
    margin: float = 0.0,
) -> None:
    """Register a model in MLflow, and give it the alias if it beats the champion on the same test split.

    Args:
        model: The candidate: a directory with `predictor.py` and `model.json`.
        evaluation: Output of `evaluate` for this very model.
        features: The features it was evaluated on; a champion tested on others is tested again on these.
        registration: `registration.json`: the decision, its reasons, and what was compared.
        metrics: Accuracies of candidate and champion, and whether the candidate was accepted.
        report: The comparison as a page.
        notes: The decision and its reasons as Markdown.
        registered_model: Name in the MLflow model registry; made when new.
        alias: Alias that the gate guards.
        floor_accuracy: Accuracy that even the first model must reach; chance is 0.2 with five balanced ratings.
        margin: How much better than the champion's its accuracy must be.
    """
    from pathlib import Path

    from intermodal.report.kfp_visuals import write_page
    from intermodal.report.notes import registration_notes
    from intermodal.report.step_pages import build_registration_page
    from intermodal.text.candidate import evaluate_again, read_candidate
    from intermodal.tracking.gate import Terms
    from intermodal.tracking.registration import decision_facts, write_registration
    from intermodal.tracking.registry import Candidate
    from intermodal.tracking.registry_session import open_registry

    found = read_candidate(Path(model.path), Path(evaluation.path), Path(features.path), features.metadata)
    candidate = Candidate.of_evaluation(Path(model.path), found.facts, found.evaluation, found.lineage)
    with open_registry(registered_model, alias) as (registry, run_id):
        terms = Terms(floor_accuracy, margin)
        placed = registry.register(candidate, terms, run_id, lambda predict: evaluate_again(found, predict))
    registration.metadata.update(write_registration(Path(registration.path), placed))
    decided = decision_facts(placed)
    write_page(report.path, build_registration_page(decided))
    write_page(notes.path, registration_notes(decided))
    for name, value in placed.figures().items():
        metrics.log_metric(name, value)
