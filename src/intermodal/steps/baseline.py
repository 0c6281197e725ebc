"""The step `baseline`: what every result is compared with."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="core", cpu="1", memory="2Gi", job="training")
def baseline(
    features: Input[Dataset],
    model: Output[Model],
    curves: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    notes: Output[Markdown],
    regularisation: float = 2.0,
    min_texts: int = 2,
    seed: int = 7,
) -> None:
    """Train TF-IDF of words and word pairs with logistic regression: what every result is compared with.

    Args:
        features: Output of `featurize`; only the texts and labels are used.
        model: A directory with `predictor.py` and `model.json` that needs NumPy alone.
        curves: The validation scores, as `curves.parquet`.
        metrics: Accuracy, loss and quadratic weighted kappa on the validation split.
        report: The curves as a page.
        notes: The scores as Markdown.
        regularisation: Inverse strength of the regularisation, scikit-learn's C.
        min_texts: In how many reviews a word or pair must occur to count.
        seed: Of the order in which the solver visits the reviews.
    """
    from pathlib import Path

    from intermodal.report.training_output import Told, write_training
    from intermodal.text.baseline_training import Regression, train_baseline
    from intermodal.text.curves import Curves

    points = Curves()
    regression = Regression(regularisation, min_texts, seed)
    trained = train_baseline(Path(features.path), features.metadata, regression, Path(model.path), points)
    model.metadata.update(trained.metadata)
    curves.metadata["rows"] = points.write(Path(curves.path))
    write_training(report.path, notes.path, Told("baseline", points.series(), trained.metrics, trained.metadata))
    for name, value in trained.metrics.items():
        metrics.log_metric(name, value)
