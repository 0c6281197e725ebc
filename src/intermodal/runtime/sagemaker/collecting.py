"""Jobs that cannot publish by themselves: without a network, or with a script that is not ours.

SageMaker brings what they made to S3 when they have ended, and whoever follows them publishes it as any
other task's outputs, the manifest last.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intermodal import __version__
from intermodal.aws.request import TaskPlan
from intermodal.core.attempt import attempt_name
from intermodal.core.cachekey import KeyParts
from intermodal.core.environment import environment_digest
from intermodal.core.manifest import MANIFEST_NAME, Manifest, Origin
from intermodal.core.source import source_digest
from intermodal.errors import StepFailed
from intermodal.runtime.outcome import SUCCEEDED, Outcome
from intermodal.runtime.sagemaker.job_files import job_prefix
from intermodal.store.base import Store
from intermodal.store.cache_index import CachedOutput
from intermodal.store.locate import open_store
from intermodal.store.publish import MadeOutput, publish_output

_STORE_FOLDER = "store"  # where a job without a network has its own store, below what SageMaker brings


@dataclass(frozen=True)
class Ended:
    """A job that has ended well.

    Attributes:
        name: Its name.
        description: As SageMaker describes it.
        plan: What it was to do.
        parts: What its task's key is made of.
    """

    name: str
    description: dict[str, Any]
    plan: TaskPlan
    parts: KeyParts


def collect(ended: Ended, home: Path) -> Outcome:
    """Publish what a job made.

    Args:
        ended: The job.
        home: Where there is room for what it made.

    Returns:
        How its task ended: well, its outputs in the store.

    Raises:
        StepFailed: It made nothing.
        StoreFailed: The store did not answer.
        ArtifactCorrupt: What came back is not what the job made.
    """
    folder = home / "tmp" / attempt_name()
    folder.mkdir(parents=True)
    store = open_store(ended.plan.place.store, ended.plan.job.output_kms_key)
    try:
        brought = _brought(store, ended, folder)
        told = Outcome.load(brought / "outcome.json")
        if told is not None:
            outputs = {name: _republished(store, item, brought) for name, item in told.outputs.items()}
            return replace(told, outputs=outputs, cache_key=ended.parts.key)
        if not ended.plan.job.source_dir:
            where = f"nothing at {job_prefix(ended.name)}/output"
            raise StepFailed("the job ended well, but how its task ended did not come back", seen=where)
        return Outcome(SUCCEEDED, outputs=_of_script(store, ended, folder), cache_key=ended.parts.key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _brought(store: Store, ended: Ended, folder: Path) -> Path:
    """What SageMaker has brought: a processing job's outputs as they are, a training job's as an archive."""
    prefix, target = f"{job_prefix(ended.name)}/output", folder / "brought"
    names = [key.removeprefix(f"{prefix}/") for key in store.keys(prefix)]
    store.fetch(prefix, names, target)
    target.mkdir(exist_ok=True)
    if (target / "output.tar.gz").is_file():
        _unpack(target / "output.tar.gz", target)
    return target


def _unpack(archive: Path, target: Path) -> None:
    import tarfile

    with tarfile.open(archive) as content:
        content.extractall(target, filter="data")


def _republished(store: Store, item: CachedOutput, brought: Path) -> CachedOutput:
    """An artifact of a job's own store, in the store that everybody reads."""
    inside = item.uri.partition(f"/{_STORE_FOLDER}/")[2]
    place = brought / _STORE_FOLDER / inside
    folder = place if (place / MANIFEST_NAME).is_file() else place.parent
    key = folder.relative_to(brought / _STORE_FOLDER).as_posix()
    manifest = Manifest.from_json((folder / MANIFEST_NAME).read_text(), key)
    if store.read(f"{key}/{MANIFEST_NAME}") is None:
        store.publish(folder, key, MANIFEST_NAME)
    single = f"/{manifest.files[0].path}" if manifest.layout == "file" else ""
    return replace(item, uri=store.uri(f"{key}{single}"))


def _of_script(store: Store, ended: Ended, folder: Path) -> dict[str, CachedOutput]:
    """What a script made: its model, its other output, and the metrics that SageMaker read in its log."""
    brought, outputs = folder / "brought", {}
    found = {item["MetricName"]: float(item["Value"]) for item in ended.description.get("FinalMetricDataList", [])}
    for slot in ended.plan.spec.outputs:
        path = folder / "outputs" / slot.name
        path.mkdir(parents=True)
        if slot.schema == "system.Model":
            if not (brought / "model.tar.gz").is_file():
                raise StepFailed(
                    "the job left no model", seen=f"nothing at {job_prefix(ended.name)}/output/model.tar.gz"
                )
            _unpack(brought / "model.tar.gz", path)
        elif slot.schema == "system.Dataset" and (brought / "output.tar.gz").is_file():
            _unpack(brought / "output.tar.gz", path)
        elif slot.schema == "system.Metrics":
            path.rmdir()
        metadata: dict[str, Any] = found if slot.schema == "system.Metrics" else {}
        made = MadeOutput(slot.name, slot.schema, path, metadata)
        prefix = f"artifacts/{ended.plan.spec.name}/{ended.parts.key[:16]}-{folder.name}/{slot.name}"
        outputs[slot.name] = publish_output(store, made, folder, prefix, _origin(ended))
    return outputs


def _origin(ended: Ended) -> Origin:
    parts = ended.parts
    return Origin(
        step=ended.plan.spec.name,
        task=ended.plan.task,
        run_id=ended.name,
        cache_key=parts.key,
        source_digest=source_digest(parts.source),
        environment_digest=environment_digest(parts.environment),
        image=ended.plan.image,
        parameters=parts.parameters,
        inputs={name: [{"uri": uri, "digest": ""} for uri in uris] for name, uris in ended.plan.inputs.items()},
        sources=parts.sources,
        produced=datetime.now(UTC).isoformat(timespec="seconds"),
        intermodal=__version__,
    )
