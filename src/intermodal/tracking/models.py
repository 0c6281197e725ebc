"""Logging a trained model to MLflow as code and plain files: nothing in it is pickled."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from intermodal.errors import ArtifactCorrupt
from intermodal.tracking.limits import TAG_LENGTH, fit

DIGEST_TAG = "intermodal.model_digest"
_CODE = Path(__file__).with_name("pyfunc_model.py")
_EXAMPLE = ("Works well and was easy to install.", "Stopped working after a week. I want my money back!")
_LOADERS = ("mlflow", "numpy", "pandas")  # what pyfunc_model.py imports


def log_model(
    directory: Path, run_id: str, name: str = "model", tags: Mapping[str, Any] | None = None, uri: str = ""
) -> Any:
    """Log a model directory, so that `mlflow.pyfunc.load_model` loads it where intermodal is not installed.

    Args:
        directory: With `predictor.py` and `model.json`, whose "requirements" the model is given.
        run_id: The run it belongs to.
        name: Its name in the run.
        tags: Tags on the logged model.
        uri: Tracking URI; the one in force by default.

    Returns:
        MLflow's `ModelInfo`; `model_uri` is "models:/m-…".

    Raises:
        ArtifactCorrupt: The directory is not such a model.
    """
    facts = read_facts(directory)
    import mlflow

    with _tracking_to(uri), _within(run_id):
        return mlflow.pyfunc.log_model(
            name=name,
            python_model=str(_CODE),
            artifacts={"model": str(directory)},
            pip_requirements=requirements(facts),
            signature=signature(facts["labels"]),
            input_example=list(_EXAMPLE),
            tags=fit(tags or {}, TAG_LENGTH),
        )


def read_facts(directory: Path) -> dict[str, Any]:
    """The content of a model's `model.json`.

    Raises:
        ArtifactCorrupt: It or `predictor.py` is missing, or it does not name labels and requirements.
    """
    try:
        facts = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        missing = [key for key in ("labels", "requirements") if key not in facts]
    except (OSError, ValueError) as error:
        raise ArtifactCorrupt("the model has no readable model.json", seen=error) from error
    if missing or not (directory / "predictor.py").is_file():
        seen = f"without {', '.join(missing) or 'predictor.py'}"
        raise ArtifactCorrupt(
            "this is no model directory", seen=seen, expected="predictor.py, and model.json with labels"
        )
    return dict(facts)


def requirements(facts: Mapping[str, Any]) -> list[str]:
    """What must be installed to load the model: its own requirements, and what its loader imports."""
    given = [str(item) for item in facts["requirements"]]
    named = {item.partition("==")[0].strip().lower() for item in given}
    return [*given, *(f"{name}=={metadata.version(name)}" for name in _LOADERS if name not in named)]


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


@contextlib.contextmanager
def _tracking_to(uri: str) -> Iterator[None]:
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri or before)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


@contextlib.contextmanager
def _within(run_id: str) -> Iterator[None]:
    """Log into a run without ending it: its state is its owner's to set."""
    import mlflow

    status = mlflow.MlflowClient().get_run(run_id).info.status
    with mlflow.start_run(run_id=run_id):
        yield
    mlflow.MlflowClient().update_run(run_id, status=status)
