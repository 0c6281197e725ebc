"""The step `tune`: the best parameters of a training step, found by trying."""

from typing import TYPE_CHECKING

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step

if TYPE_CHECKING:  # what is tuned is part of the source: where it changes, a tuning is done again
    from intermodal.steps import baseline, train_pytorch, train_tensorflow  # noqa: F401


@step(image="torch", cpu="2", memory="8Gi", job="managed", managed="intermodal.aws.tuning:render")
def tune(
    features: Input[Dataset],
    model: Output[Model],
    trials: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    notes: Output[Markdown],
    earlier: Input[Dataset] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    train: str = "baseline",
    ranges: dict = {"regularisation": {"type": "continuous", "min": 0.05, "max": 20.0, "scale": "log"}},  # type: ignore[type-arg]  # noqa: B006
    fixed: dict = {},  # type: ignore[type-arg]  # noqa: B006
    metric: str = "validation_accuracy",
    direction: str = "maximize",
    trial_count: int = 10,
    parallel: int = 1,
    strategy: str = "bayesian",
    early_stopping: bool = False,
    max_seconds: int = 0,
    warm_start: list = [],  # type: ignore[type-arg]  # noqa: B006
    transfer: bool = False,
    seed: int = 7,
) -> None:
    """Tune a training step: try values of its parameters, keep the model of the best trial.

    Args:
        features: Output of `featurize`.
        model: The best trial's model, the same bytes that the training step alone makes with its parameters.
        trials: `trials.parquet` and `trials.json`: parameters, objective, state and metrics of every trial.
        metrics: The best trial's metrics, and how many trials completed, were stopped early, or failed.
        report: Best so far, all trials as parallel coordinates, each parameter against the objective, as a page.
        notes: The best trials as Markdown.
        earlier: Output `trials` of an earlier `tune`; the search begins with what it found.
        train: Step to tune: baseline, train_pytorch, train_tensorflow, or module:function with the same outputs.
        ranges: Parameter to {"type": "continuous" or "integer", "min", "max", "scale"} or to a list of values.
        fixed: Parameters of the training step that do not vary.
        metric: Metric that counts, as the training step logs it.
        direction: maximize or minimize.
        trial_count: Most trials.
        parallel: Trials at a time.
        strategy: bayesian, random, hyperband, or grid for lists of values alone.
        early_stopping: Stop a trial that falls behind the median of the others, where the step reports curves.
        max_seconds: Time after which no further trial begins; 0 for no limit. With a limit, runs may differ.
        warm_start: Names of earlier tuning jobs on SageMaker, at most five; other places use `earlier`.
        transfer: Whether the earlier tunings were of other data or another algorithm.
        seed: Of the search, and of the training where it has a seed.
    """
    import tempfile
    from pathlib import Path

    from intermodal.aws.surroundings import on_sagemaker
    from intermodal.core.tuning_plan import read_tuning_plan
    from intermodal.report.kfp_visuals import write_page
    from intermodal.report.search_pages import build_tuning_page, tuning_notes
    from intermodal.tuning.children import tell_mlflow
    from intermodal.tuning.engine import Given, tune_locally
    from intermodal.tuning.records import describe, read_trials, write_trials

    parameters = {
        "train": train, "ranges": ranges, "fixed": fixed, "metric": metric, "direction": direction,
        "trial_count": trial_count, "parallel": parallel, "strategy": strategy, "early_stopping": early_stopping,
        "max_seconds": max_seconds, "warm_start": warm_start, "transfer": transfer, "seed": seed,
    }  # fmt: skip
    plan = read_tuning_plan(parameters)
    known = read_trials(Path(earlier.path)) if earlier is not None else {}
    earlier_job = str(earlier.metadata.get("tuning_job", "")) if earlier is not None else ""
    given = Given(Path(features.path), dict(features.metadata), known, earlier_job)
    with tempfile.TemporaryDirectory() as folder:
        if on_sagemaker():
            from intermodal.tuning.sagemaker import tune_on_sagemaker

            tuned = tune_on_sagemaker(parameters, given, Path(model.path), Path(folder))
        else:
            tuned = tune_locally(plan, given, Path(model.path), Path(folder))
    described = describe(plan, tuned.trials, tuned.best)
    write_trials(Path(trials.path), described)
    model.metadata.update(tuned.metadata)
    model.metadata["tuned"] = {**plan.fixed, **tuned.best.parameters}
    trials.metadata.update(rows=len(tuned.trials), best=tuned.best.number, **tuned.facts)
    tell_mlflow(plan, tuned.trials)
    write_page(report.path, build_tuning_page(described))
    write_page(notes.path, tuning_notes(described))
    for name, value in tuned.best.metrics.items():
        metrics.log_metric(name, value)
    states = [trial.state for trial in tuned.trials]
    for state in ("COMPLETED", "STOPPED", "FAILED"):
        metrics.log_metric(f"trials_{state.lower()}", states.count(state))
    metrics.log_metric("best_trial", tuned.best.number)
