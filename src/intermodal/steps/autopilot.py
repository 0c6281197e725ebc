"""The step `autopilot`: candidates of several algorithms, the best as a model, and how to make each again."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="core", cpu="2", memory="4Gi", job="managed", managed="intermodal.aws.automl:render")
def autopilot(
    model: Output[Model],
    leaderboard: Output[Dataset],
    notebooks: Output[Artifact],
    metrics: Output[Metrics],
    report: Output[HTML],
    notes: Output[Markdown],
    features: Input[Dataset] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    reviews: Input[Dataset] = None,  # type: ignore[assignment]
    metric: str = "accuracy",
    candidates: int = 12,
    max_seconds: int = 0,
    algorithms: list = [],  # type: ignore[type-arg]  # noqa: B006
    problem: str = "text",
    seed: int = 7,
) -> None:
    """Try candidates of several algorithms on the same balanced rows, and keep the best as a model.

    Args:
        model: The best candidate: a directory with `predictor.py` and `model.json`, as every training makes it.
        leaderboard: `leaderboard.json` and `leaderboard.parquet`; on SageMaker also the best candidate's containers.
        notebooks: `data_exploration.ipynb` and `candidate_definition.ipynb`, which makes each candidate again.
        metrics: The best candidate's validation metrics, and how many candidates there were.
        report: The leaderboard as a page.
        notes: The leaderboard as Markdown.
        features: Output of `featurize`, balanced there: Autopilot balances nothing.
        reviews: Clean reviews instead, of which features are made as `featurize` makes them by default.
        metric: accuracy, balanced_accuracy, macro_f1, macro_precision or macro_recall; elsewhere than on
            SageMaker also qwk or log_loss.
        candidates: Most candidates; on SageMaker a text problem has one.
        max_seconds: Time after which no further candidate begins; 0 for no limit. With a limit, runs may differ.
        algorithms: logistic, ordinal, naive_bayes, trees; all when empty. On SageMaker, names of its own.
        problem: text or tabular: which kind of job SageMaker runs.
        seed: Of everything random, but not on SageMaker.
    """
    import tempfile
    from pathlib import Path

    from intermodal.autopilot.children import tell_mlflow
    from intermodal.autopilot.input import given_features
    from intermodal.autopilot.local import Places, Wish, pilot_locally
    from intermodal.aws.surroundings import on_sagemaker
    from intermodal.report.kfp_visuals import write_page
    from intermodal.report.search_pages import build_leaderboard_page, leaderboard_notes

    wish = Wish(metric, candidates, max_seconds, tuple(algorithms), seed, problem)
    places = Places(Path(model.path), Path(leaderboard.path), Path(notebooks.path))
    with tempfile.TemporaryDirectory() as folder:
        rows, metadata = given_features(features, reviews, Path(folder))
        if on_sagemaker():
            from intermodal.autopilot.sagemaker import pilot_on_sagemaker

            done = pilot_on_sagemaker(rows, metadata, wish, places, Path(folder))
        else:
            done = pilot_locally(rows, metadata, wish, places)
    model.metadata.update(done.metadata)
    board = done.described["candidates"]
    leaderboard.metadata.update(rows=len(board), best=done.described["best"], **done.facts)
    tell_mlflow(done.records, [places.board, places.notebooks])
    write_page(report.path, build_leaderboard_page(done.described))
    write_page(notes.path, leaderboard_notes(done.described))
    for name, value in board[0]["metrics"].items():
        metrics.log_metric(f"validation_{name}", value)
    metrics.log_metric("candidates", len(board))
    metrics.log_metric("candidates_failed", sum(item["objective"] is None for item in board))
