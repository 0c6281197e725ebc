"""What a job is given to work on: its ExecutorInput, and which of its inputs SageMaker itself brings.

The ExecutorInput has KFP's shape; URIs are those of the store, so it is the same whoever asks for the work.
What SageMaker brought, and where to, stands beside it under the key `intermodal`, which KFP passes over.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from intermodal.aws.request import TaskPlan
from intermodal.core.executor_input import OPTIONS
from intermodal.errors import UsageError

PROCESSING, TRAINING, MANAGED = "processing", "training", "managed"
OWN_INPUT = "intermodal"  # the channel that holds the ExecutorInput
FILE_NAME = "executor_input.json"
CHANNELS_PARAMETER = "channels"  # of `train_script`: input → what its script calls it
INPUT_ROOTS = {PROCESSING: "/opt/ml/processing/input", TRAINING: "/opt/ml/input/data"}
OUTPUT_ROOTS = {PROCESSING: "/opt/ml/processing/output", TRAINING: "/opt/ml/output/data"}
_MOST = {PROCESSING: 10, TRAINING: 20}
_CHANNEL = re.compile(r"[^A-Za-z0-9._-]")
_CHANNEL_LENGTH = 64
_ARGUMENT = re.compile(r".{1,256}")


@dataclass(frozen=True)
class Delivery:
    """One input artifact, and how it reaches the job.

    Attributes:
        name: The input's name in the step.
        index: Its place among several artifacts of that input.
        uri: Where it lies.
        prefix: What SageMaker copies: the artifact's prefix, with its manifest.
        channel: Name of the channel or processing input; empty when the wrapper fetches it itself.
        path: Where the artifact is found in the job; empty likewise.
        sharded: Whether each instance gets a share by key.
        files: Names below `prefix`, where SageMaker copies these alone.
    """

    name: str
    index: int
    uri: str
    prefix: str
    channel: str = ""
    path: str = ""
    sharded: bool = False
    files: tuple[str, ...] = ()

    @property
    def list_name(self) -> str:
        """Where the list of `files` lies, below the folder of the job's own files."""
        return f"channels/{self.channel}.json"

    @property
    def list_text(self) -> str:
        """The list, as SageMaker reads a `ManifestFile`."""
        return json.dumps([{"prefix": self.prefix}, *self.files])


def kind_of(plan: TaskPlan) -> str:
    """Which job a task becomes: "processing", "training", or "managed"."""
    needs = plan.spec.needs
    return needs.job if needs.job == MANAGED else plan.job.kind or needs.job


def deliveries(plan: TaskPlan) -> list[Delivery]:
    """How each input artifact reaches the job, in the order of the step's inputs.

    SageMaker brings as many as it takes; sharded ones come first, as only SageMaker can shard.

    Args:
        plan: The task.

    Raises:
        UsageError: The container has no network, and more inputs than SageMaker brings.
    """
    kind, job = kind_of(plan), plan.job
    found = [
        _delivery(plan, name, index, uri)
        for name, uris in sorted(plan.inputs.items())
        for index, uri in enumerate(uris)
    ]
    wanted = sorted((item for item in found if _is_brought(plan, item)), key=lambda item: not item.sharded)
    brought = wanted[: _MOST[kind] - 1]
    if (job.network_isolation or job.source_dir) and len(brought) < len(found):
        why = "network_isolation = true" if job.network_isolation else "a script of your own"
        raise UsageError(
            f"step {plan.spec.name} has more input artifacts than SageMaker brings to a {kind} job",
            seen=f"{len(found)}, and {why}, so that nobody in the job fetches the rest",
            expected=f"at most {_MOST[kind] - 1}",
            next_step=f"network_isolation = false under [sagemaker.steps.{plan.spec.name}]",
        )
    return [item if item in brought else Delivery(item.name, item.index, item.uri, item.prefix) for item in found]


def job_executor_input(plan: TaskPlan) -> dict[str, Any]:
    """The ExecutorInput of a task's job; it never names the run.

    Args:
        plan: The task.

    Returns:
        KFP's mapping. Metadata of inputs is not in it: that stands in their manifests.
    """
    root = OUTPUT_ROOTS[kind_of(plan)]
    schemas = {item.name: item.schema for item in plan.spec.inputs}
    inputs = {
        name: {"artifacts": [_artifact(name, schemas.get(name, "system.Artifact"), uri) for uri in uris]}
        for name, uris in sorted(plan.inputs.items())
    }
    outputs = {
        item.name: {"artifacts": [_artifact(item.name, item.schema, f"{root}/{item.name}")]}
        for item in plan.spec.outputs
    }
    return {
        "inputs": {
            "parameterValues": {name: value for name, value in plan.parameters.items() if value is not None},
            "artifacts": inputs,
        },
        "outputs": {
            "artifacts": outputs,
            "parameters": {name: {"outputFile": f"{root}/{name}"} for name in plan.spec.returns},
            "outputFile": f"{root}/executor_output.json",
        },
        OPTIONS: {
            "step": plan.spec.target,
            "delivered": _delivered(plan),
            "sharded": sorted(_sharded(plan)),
            "useCache": plan.use_cache,
        },
    }


def executor_input_text(plan: TaskPlan) -> str:
    """The file's text, the same for the same work."""
    return json.dumps(job_executor_input(plan), sort_keys=True, indent=1) + "\n"


def step_arguments(plan: TaskPlan) -> list[str]:
    """The container's arguments; a step whose name is too long for one is named in the ExecutorInput alone."""
    target = plan.spec.target
    step = target if _ARGUMENT.fullmatch(target) else "@"
    path = f"{INPUT_ROOTS[kind_of(plan)]}/{OWN_INPUT}/{FILE_NAME}"
    return ["--step", step, "--executor_input", f"@{path}"]


def _delivered(plan: TaskPlan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in deliveries(plan):
        found.setdefault(item.name, []).append(item.path)
    return found


def _sharded(plan: TaskPlan) -> set[str]:
    return {item.name for item in deliveries(plan) if item.sharded}


def _artifact(name: str, schema: str, uri: str) -> dict[str, Any]:
    kind = {"schemaTitle": schema, "schemaVersion": "0.0.1"}
    return {"name": name, "type": kind, "uri": uri, "metadata": {}}


def _delivery(plan: TaskPlan, name: str, index: int, uri: str) -> Delivery:
    called = _called(plan, name)
    channel = channel_name(called if index == 0 else f"{called}-{index}")
    prefix = artifact_prefix(uri, plan.place.store)
    inside = uri[len(prefix) :].strip("/")
    path = f"{INPUT_ROOTS[kind_of(plan)]}/{channel}" + (f"/{inside}" if inside else "")
    # Without the slash at its end a prefix also means every sibling whose name begins like it.
    wanted = f"{prefix}/" if prefix != uri or _is_artifact(uri, plan.place.store) else uri
    files = plan.contents.get(uri, ())
    return Delivery(name, index, uri, wanted, channel, path, name in plan.job.sharded, files)


def _called(plan: TaskPlan, name: str) -> str:
    """How a script of the user's own calls an input, as `train_script` lets it."""
    names = plan.parameters.get(CHANNELS_PARAMETER) if plan.job.source_dir else None
    return str(names.get(name, name)) if isinstance(names, dict) else name


def _is_brought(plan: TaskPlan, item: Delivery) -> bool:
    """Data that no task of ours made may be a file or a folder: the wrapper looks, where it can."""
    looks = not (plan.job.network_isolation or plan.job.source_dir or item.sharded)
    return not looks or _is_artifact(item.uri, plan.place.store)


def _is_artifact(uri: str, store: str) -> bool:
    return uri.startswith(f"{store}/artifacts/")


def artifact_prefix(uri: str, store: str) -> str:
    """The prefix with the manifest: an artifact that is one file is named by that file, which lies in it.

    Args:
        uri: The artifact's URI.
        store: Root of the store.
    """
    if not _is_artifact(uri, store):
        return uri.rstrip("/")
    parts = uri.removeprefix(f"{store}/").rstrip("/").split("/")
    depth = 3 if parts[1] == "shipped" else 4  # artifacts/<step>/<attempt>/<output>
    return "/".join([store, *parts[:depth]])


def channel_name(name: str) -> str:
    """A name as SageMaker takes it for a channel; what had to be changed ends in a digest of the whole."""
    plain = _CHANNEL.sub("_", name)
    if plain == name and len(name) <= _CHANNEL_LENGTH and name != OWN_INPUT:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{plain[: _CHANNEL_LENGTH - 9]}-{digest}"
