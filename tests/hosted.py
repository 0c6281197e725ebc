"""Real small models, reviews, and steps called as SageMaker's engine calls them, for tests of what hosts models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import load_settings
from intermodal.steps.baseline import baseline
from intermodal.steps.batch_predict import batch_predict
from intermodal.steps.deploy import deploy
from intermodal.steps.transform import transform
from tiny_models import features_in

SETTINGS = SageMakerSettings(poll=0.2, patience=20)


def configure(folder: Path) -> str:
    """Write an `intermodal.toml` that places the jobs' store in the bucket; moto's S3 is shared by all tests.

    Args:
        folder: The working directory.

    Returns:
        The store's key.
    """
    key = f"store-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    store = f"s3://bucket/{key}"
    (folder / "intermodal.toml").write_text(f'[sagemaker]\nstore = "{store}"\npoll = 0.2\npatience = 20\n')
    assert load_settings().extra["sagemaker"]["store"] == store
    return key


def train(folder: Path, seed: int = 1, **parameters: Any) -> Model:
    """A real TF-IDF model of ours, trained in a second."""
    features = features_in(folder, seed=seed)
    made = {
        "model": Model(name="model", uri=str(folder / "model"), metadata={}),
        "metrics": Metrics(name="metrics", uri=str(folder / "metrics"), metadata={}),
        "curves": Dataset(name="curves", uri=str(folder / "curves"), metadata={}),
        "report": HTML(name="report", uri=str(folder / "report.html"), metadata={}),
        "notes": Markdown(name="notes", uri=str(folder / "notes.md"), metadata={}),
    }
    baseline(features, made["model"], made["curves"], made["metrics"], made["report"], made["notes"], **parameters)
    return made["model"]


def write_reviews(folder: Path, texts: list[str | None]) -> Dataset:
    """Reviews as `ingest` writes them."""
    columns = {
        "review_id": [f"R{number}" for number in range(len(texts))],
        "product_category": ["Software" if number % 3 else "Games" for number in range(len(texts))],
        "star_rating": pa.array([1 + number % 5 for number in range(len(texts))], pa.int32()),
        "review_body": pa.array(texts, pa.string()),
    }
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "part-00000.parquet")
    return Dataset(name="reviews", uri=str(folder), metadata={})


def call_deploy(folder: Path, model: Model, **given: Any) -> dict[str, Any]:
    """Call `deploy`; its document, with its metadata under "facts"."""
    deployment = Dataset(name="deployment", uri=str(folder / "deployment"), metadata={})
    notes = Markdown(name="notes", uri=str(folder / "notes.md"), metadata={})
    metrics = Metrics(name="metrics", uri=str(folder / "metrics"), metadata={})
    folder.mkdir(parents=True)
    assert deploy(model, deployment, notes, metrics, **given) == given.get("endpoint", "reviews")
    document = json.loads((folder / "deployment" / "deployment.json").read_text())
    return dict(document) | {"facts": dict(deployment.metadata), "metrics": dict(metrics.metadata)}


def call_transform(folder: Path, model: Model, reviews: Dataset, **parameters: Any) -> Dataset:
    """Call `transform`; its predictions."""
    kinds = {"predictions": Dataset, "report": HTML, "notes": Markdown, "metrics": Metrics}
    folder.mkdir(parents=True)
    made: dict[str, Any] = {name: kind(name=name, uri=str(folder / name), metadata={}) for name, kind in kinds.items()}
    transform(model, reviews, **made, **parameters)
    return made["predictions"]


def call_batch_predict(folder: Path, model: Model, reviews: Dataset) -> Dataset:
    """Call `batch_predict`; its predictions."""
    kinds = {"predictions": Dataset, "report": HTML, "notes": Markdown, "metrics": Metrics}
    folder.mkdir(parents=True)
    made: dict[str, Any] = {name: kind(name=name, uri=str(folder / name), metadata={}) for name, kind in kinds.items()}
    batch_predict(reviews, **made, model=model)
    return made["predictions"]


def servers_below(home: Path) -> list[int]:
    """Processes of this machine that serve a model for a local SageMaker with that home."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(home) in words and "serve" in words:
            found.append(process.info["pid"])
    return found
