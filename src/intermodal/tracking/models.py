"""Logging a trained model to MLflow as code and plain files: nothing in it is pickled."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from intermodal.tracking.limits import TAG_LENGTH, fit

DIGEST_TAG = "intermodal.model_digest"
_CODE = Path(__file__).with_name("pyfunc_model.py")
_EXAMPLE = ("Works well and was easy to install.", "Stopped working after a week. I want my money back!")
_LOADERS = ("mlflow", "numpy", "pandas")  # what pyfunc_model.py imports


def log_model(
    client: Any,
    directory: Path,
    facts: Mapping[str, Any],
    run_id: str,
    name: str = "model",
    tags: Mapping[str, str] | None = None,
) -> Any:
    """Log a model directory, so that `mlflow.pyfunc.load_model` loads it where intermodal is not installed.

    Called again after being cut off, it finds what it logged by `DIGEST_TAG` and logs nothing twice.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        directory: With `predictor.py` and `model.json`.
        facts: The content of `model.json`; the logged model gets its "requirements".
        run_id: The run it belongs to; the run's state is left alone.
        name: Its name in the run.
        tags: Tags on the logged model; `DIGEST_TAG` among them.

    Returns:
        MLflow's `LoggedModel`; it is loaded from "models:/" and its `model_id`.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    marks = fit(tags or {}, TAG_LENGTH)
    experiment = client.get_run(run_id).info.experiment_id
    if known := _logged_before(client, experiment, marks.get(DIGEST_TAG, "")):
        return known
    logged = client.create_logged_model(experiment, name, run_id, marks, model_type=str(facts.get("kind", "")))
    with tempfile.TemporaryDirectory() as folder:
        _save(Path(folder, "model"), directory, facts, run_id, logged.model_id)
        client.log_model_artifacts(logged.model_id, str(Path(folder, "model")))
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)


def _logged_before(client: Any, experiment: str, digest: str) -> Any | None:
    """The whole logged model with this digest, if any; remains of one that was cut off are deleted."""
    if not digest:
        return None
    found = client.search_logged_models([experiment], f"tags.`{DIGEST_TAG}` = '{digest}'")
    for item in found:
        if item.status != "READY":
            client.delete_logged_model(item.model_id)
    return next((item for item in found if item.status == "READY"), None)


def _save(target: Path, directory: Path, facts: Mapping[str, Any], run_id: str, model_id: str) -> None:
    import mlflow

    mlflow.pyfunc.save_model(
        path=str(target),
        python_model=str(_CODE),
        artifacts={"model": str(directory)},
        pip_requirements=requirements(facts),
        signature=signature(facts["labels"]),
        input_example=list(_EXAMPLE),
        mlflow_model=mlflow.models.Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
    )


def requirements(facts: Mapping[str, Any]) -> list[str]:
    """What must be installed to load the model: its own requirements, and what its loader imports."""
    given = [str(item) for item in facts["requirements"]]
    named = {item.partition("==")[0].strip().lower() for item in given}
    return [*given, *(f"{name}=={_version(name)}" for name in _LOADERS if name not in named)]


def _version(name: str) -> str:
    """The version of a package; an image has of MLflow the client alone, and both are released together."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return metadata.version(f"{name}-skinny")


def signature(labels: list[str]) -> Any:
    """The model's signature: a text → `rating` (integer) and `p1` … `p5` (double).

    Args:
        labels: Ratings, in the order of the probabilities.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    outputs = [ColSpec("integer", "rating"), *(ColSpec("double", f"p{label}") for label in labels)]
    made = ModelSignature(Schema([ColSpec("string")]), Schema(outputs))
    # Left to itself MLflow keeps the first column of a DataFrame, whichever that is. This flag, which it writes to
    # the MLmodel file as it does for `list[str]` type hints, says that the model checks its own input.
    made._is_signature_from_type_hint = True
    return made
