"""The step `evaluate`: what a model is worth on the held-out split."""

from kfp.dsl import HTML, ClassificationMetrics, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="torch", cpu="2", memory="4Gi")
def evaluate(
    model: Input[Model],
    features: Input[Dataset],
    evaluation: Output[Dataset],
    metrics: Output[Metrics],
    classification: Output[ClassificationMetrics],
    report: Output[HTML],
    notes: Output[Markdown],
    split: str = "test",
    worst: int = 100,
    bins: int = 15,
) -> None:
    """Score a model on the held-out split: accuracy with its interval, slices, calibration, worst errors.

    Args:
        model: A trained model: a directory with `predictor.py` and `model.json`.
        features: Output of `featurize`; its split is proven by its digest.
        evaluation: `evaluation.json`, `predictions.parquet` and `worst_errors.parquet`.
        metrics: The main
        classification: Confusion matrix and macro-averaged ROC curve, for the Kubeflow UI.
        report: The scores as a page.
        notes: The scores and the weakest ratings as Markdown.
        split: Which split to score on.
        worst: How many of the worst errors to keep.
        bins: Bins of confidence for the calibration.
    """
    from pathlib import Path

    from intermodal.core.events import log_progress
    from intermodal.report.kfp_visuals import fill_classification, macro_roc, write_page
    from intermodal.report.notes import evaluation_notes
    from intermodal.report.page import build_evaluation_page
    from intermodal.text.answers import predictions, worst_errors, write_evaluation
    from intermodal.text.evaluation import evaluate_scored, headline, score
    from intermodal.text.held_out import model_digest, proven_digest, read_split
    from intermodal.text.model_facts import read_model_facts
    from intermodal.text.predictor_loading import load_predictor

    rows = read_split(Path(features.path), split)
    digest = proven_digest(rows, Path(features.path), features.metadata, split)
    facts = read_model_facts(Path(model.path))
    predict = load_predictor(model.path).predict_proba
    scored = score(rows, facts["labels"], predict, lambda done, total: log_progress(done, total, "reviews"))
    kind = str(facts.get("kind", ""))
    origin = {"kind": kind, "split": split, "test_digest": digest, "model_digest": model_digest(Path(model.path))}
    found = origin | evaluate_scored(scored, bins)
    errors = worst_errors(scored, worst)
    write_evaluation(Path(evaluation.path), found, predictions(scored), errors)
    evaluation.metadata.update(rows=found["rows"], kind=kind, test_digest=digest, accuracy=found["accuracy"]["value"])
    for name, value in headline(found).items():
        metrics.log_metric(name, value)
    fill_classification(
        classification, found["labels"], found["confusion"], macro_roc(scored.truth, scored.probabilities)
    )
    shown = {**found, "name": kind or "model", "worst_errors": errors.to_pylist()}
    write_page(report.path, build_evaluation_page([shown]))
    write_page(notes.path, evaluation_notes(found))
