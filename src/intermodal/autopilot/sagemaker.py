"""Autopilot done by SageMaker: rows brought to S3 as CSV, the job followed, everything that it leaves brought back."""

from __future__ import annotations

import csv
import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.autopilot.engine import read_splits
from intermodal.autopilot.local import Piloted, Places, Wish
from intermodal.autopilot.notebooks import write_missing
from intermodal.autopilot.records import COMPLETED, FAILED, CandidateRecord, describe, leaderboard, write_leaderboard
from intermodal.aws.automl import LABEL_COLUMN, TABULAR, TEXT_COLUMN, render, rows_uri
from intermodal.aws.automl_job import (
    AutoCandidate,
    AutomlProgress,
    all_candidates,
    candidate_of,
    fetch_containers,
    fetch_notebooks,
)
from intermodal.aws.calls import Calls
from intermodal.aws.job_kinds import AUTOML
from intermodal.aws.objects import is_there, upload_file
from intermodal.aws.request import TaskPlan
from intermodal.aws.service_job import ServiceJob
from intermodal.aws.surroundings import current_plan
from intermodal.core.manifest import Manifest, Origin, describe_files
from intermodal.core.registry import load_spec
from intermodal.errors import ArtifactCorrupt, StepFailed
from intermodal.store.ownership import ownership_of
from intermodal.text.model_files import model_metadata
from intermodal.text.token_rows import label_names

CONTAINERS = "containers.json"
_OURS = ("predictor.py", "model.json")


def pilot_on_sagemaker(
    features: Path, metadata: Mapping[str, Any], wish: Wish, places: Places, folder: Path
) -> Piloted:
    """Run an AutoML job on the rows of features.

    Args:
        features: Directory of `featurize`'s output.
        metadata: Its metadata.
        wish: What is asked.
        places: Where to write.
        folder: A folder for files that come and go.

    Returns:
        What came of it.

    Raises:
        UsageError: Something in the wish cannot be sent to SageMaker.
        DataRejected: The features cannot be used.
        RuntimeFailed: AWS refused, or did not answer.
        StepFailed: The job failed, or left no candidate.
        StoreFailed: Whose the job is could not be read or noted.
        Interrupted: We were told to stop; so was the job, unless it is another run's.
    """
    labels = label_names(metadata)
    splits = read_splits(features, labels)
    for line in splits.warnings():
        print(f"warning: {line}", flush=True)
    plan = _plan(features, wish)
    for name in ("train", "validation"):
        _upload_rows(plan, features, name, labels, folder)
    calls = Calls("sagemaker", plan.settings)
    job = ServiceJob(
        calls, AUTOML, lambda attempt: render(replace(plan, attempt=attempt))[0], plan.place.region, ownership_of(plan)
    )
    described = job.run(AutomlProgress())
    found = all_candidates(calls, job.name)
    records = [_record(item) for item in found]
    best = _best(described, found)
    board = sorted(leaderboard(records, wish.metric), key=lambda item: item.name != best.name)
    told = describe(board, wish.metric, splits.counts, splits.warnings())
    write_leaderboard(places.board, told)
    (places.board / CONTAINERS).write_text(_containers_text(best), encoding="utf-8")
    fetched = fetch_notebooks(described, places.notebooks, plan.settings)
    write_missing(places.notebooks, fetched, told, labels, job.name)
    archives = fetch_containers(best, folder / "containers", plan.settings)
    kind = _write_model(best, archives, labels, places.model)
    scores = {f"validation_{name}": value for name, value in board[0].metrics.items()}
    facts = {"automl_job": job.name, "seconds": {item.name: item.seconds for item in board}}
    return Piloted(told, board, model_metadata(metadata, kind, scores), facts)


def write_rows(features: Path, split: str, labels: list[str], problem: str, target: Path) -> None:
    """Write the rows of a split as CSV with a header, one line a row.

    Args:
        features: Directory of `featurize`'s output.
        split: Name of the split.
        labels: Class names, which stand in the column of labels.
        problem: "text" for text and label alone, "tabular" for the other columns as well.
        target: The file; its folder is made.
    """
    import pyarrow.parquet as pq

    others = ["product_category", "tokens"] if problem == TABULAR else []
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([LABEL_COLUMN, TEXT_COLUMN, *others])
        for path in sorted((features / f"split={split}").glob("*.parquet")):
            for batch in pq.ParquetFile(path).iter_batches(columns=["label_ids", "text", *others]):
                for row in batch.to_pylist():
                    # A line break within quotes is legal CSV that not every reader of SageMaker's takes.
                    text = " ".join(row["text"].split())
                    writer.writerow([labels[row["label_ids"]], text, *(row[name] for name in others)])


def _plan(features: Path, wish: Wish) -> TaskPlan:
    layout, files = describe_files(features)
    digest = Manifest("system.Dataset", layout, files, Origin("autopilot")).digest
    parameters = {
        "metric": wish.metric, "candidates": wish.candidates, "max_seconds": wish.seconds,
        "algorithms": list(wish.algorithms), "problem": wish.problem, "seed": wish.seed,
    }  # fmt: skip
    return current_plan(load_spec("autopilot"), parameters, {"features": (f"artifacts/shipped/{digest}",)})


def _upload_rows(plan: TaskPlan, features: Path, split: str, labels: list[str], folder: Path) -> None:
    uri = rows_uri(plan, split)
    if is_there(uri, plan.settings):
        return
    path = folder / f"{split}.csv"
    write_rows(features, split, labels, plan.parameters["problem"], path)
    upload_file(path, uri, plan.settings)


def _record(found: AutoCandidate) -> CandidateRecord:
    state = COMPLETED if found.status == "Completed" else FAILED
    objective = found.objective if state == COMPLETED else None
    images = [str(item.get("Image", "")).rpartition("/")[2] for item in found.containers]
    algorithm = images[-1].partition("@")[0] if images else ""
    return CandidateRecord(
        found.name, algorithm, {}, state, objective, found.metrics, found.reason, round(found.seconds, 3)
    )


def _best(described: Mapping[str, Any], found: list[AutoCandidate]) -> AutoCandidate:
    if not described.get("BestCandidate"):
        raise StepFailed("the AutoML job has no best candidate", seen=f"{len(found)} candidates")
    return candidate_of(described["BestCandidate"])


def _containers_text(best: AutoCandidate) -> str:
    return json.dumps({"candidate": best.name, "containers": best.containers}, indent=1, sort_keys=True) + "\n"


def _write_model(best: AutoCandidate, archives: list[Path], labels: list[str], target: Path) -> str:
    """The best candidate as a model directory: its own where it is one, else its containers' archives.

    Returns:
        The model's kind.
    """
    target.mkdir(parents=True, exist_ok=True)
    if len(archives) == 1 and _is_model(archives[0]):
        with tarfile.open(archives[0]) as archive:
            archive.extractall(target, filter="data")
        return str(json.loads((target / "model.json").read_text(encoding="utf-8")).get("kind", ""))
    shutil.copytree(archives[0].parent, target / "containers", dirs_exist_ok=True) if archives else None
    (target / CONTAINERS).write_text(_containers_text(best), encoding="utf-8")
    facts = {"kind": "sagemaker-containers", "labels": labels, "requirements": [], "parts": []}
    (target / "model.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (target / "predictor.py").write_text(_ELSEWHERE, encoding="utf-8")
    return "sagemaker-containers"


_ELSEWHERE = '''"""A model that answers in SageMaker's own containers alone: containers.json names them."""


class Predictor:
    """Says where the model can be asked.

    Args:
        directory: The model's directory.
    """

    def __init__(self, directory):
        raise RuntimeError(
            "this candidate of SageMaker's Autopilot runs in the containers that containers.json names: "
            "create a model of them and an endpoint, and ask that"
        )
'''


def _is_model(archive: Path) -> bool:
    try:
        with tarfile.open(archive) as opened:
            names = {name.removeprefix("./") for name in opened.getnames()}
    except tarfile.TarError as error:
        raise ArtifactCorrupt("this is no archive of a model", seen=f"{archive.name}: {error}") from error
    return set(_OURS) <= names
