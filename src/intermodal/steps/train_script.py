"""The step `train_script`: run the user's own training script, with the environment of SageMaker's script mode."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from intermodal.core.step import step


@step(image="torch", cpu="2", memory="8Gi", sources=("source",), job="training", parallel="hosts")
def train_script(
    model: Output[Model],
    output: Output[Dataset],
    metrics: Output[Metrics],
    source: str,
    entry_point: str = "train.py",
    training: Input[Dataset] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    validation: Input[Dataset] = None,  # type: ignore[assignment]
    test: Input[Dataset] = None,  # type: ignore[assignment]
    hyperparameters: dict = {},  # type: ignore[type-arg]  # noqa: B006  KFP reads the default, nothing changes it
    channels: dict = {},  # type: ignore[type-arg]  # noqa: B006
    metric_patterns: dict = {},  # type: ignore[type-arg]  # noqa: B006
    install_requirements: bool = False,
) -> None:
    """Run your own training script with SageMaker's script-mode contract: SM_MODEL_DIR, SM_CHANNEL_*, SM_HPS, ….

    Args:
        model: What the script writes to SM_MODEL_DIR.
        output: What it writes to SM_OUTPUT_DATA_DIR.
        metrics: The last value of every metric that it prints.
        source: The script's directory, a tar.gz of one, or either on S3; its content enters the cache key.
        entry_point: The script, relative to the source: a .py or .sh file.
        training: The channel "training".
        validation: The channel "validation".
        test: The channel "test".
        hyperparameters: Given to the script as --name value, and as SM_HPS and SM_HP_*.
        channels: Other names for the channels, such as {"training": "train"}.
        metric_patterns: Metric name to a regular expression whose first group is its value in a line of output.
        install_requirements: Install the source's requirements.txt first, for this script only.
    """
    import tempfile
    from pathlib import Path

    from intermodal.aws.script_task import ScriptTask, run_script_task

    inputs = {"training": training, "validation": validation, "test": test}
    task = ScriptTask(
        source=source,
        entry_point=entry_point,
        inputs={name: Path(item.path) for name, item in inputs.items() if item is not None},
        hyperparameters=dict(hyperparameters),
        names=dict(channels),
        patterns=dict(metric_patterns),
        install=install_requirements,
    )
    with tempfile.TemporaryDirectory(prefix="intermodal-script-") as folder:
        found = run_script_task(task, Path(model.path), Path(output.path), Path(folder))
    model.metadata.update({"kind": "script", "entry_point": entry_point})
    for name, value in sorted(found.items()):
        metrics.log_metric(name, value)
