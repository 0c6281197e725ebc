"""Which instances a request asks for, and for how long at most: read from the request alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intermodal.aws.request import Request

_DAY = 86_400.0  # what SageMaker gives a job that names no limit


@dataclass(frozen=True)
class Charge:
    """Instances that a request asks for.

    Attributes:
        kind: A kind of price; see `prices.KINDS`.
        instance_type: Such as "ml.m5.xlarge".
        instances: How many at the same time, those of all parallel jobs together.
        volume_gb: Size of each one's volume.
        ceiling: Most seconds that they can be charged for; None where nothing ends them but a person.
    """

    kind: str
    instance_type: str
    instances: int
    volume_gb: float
    ceiling: float | None


def charges_of(request: Request) -> list[Charge]:
    """The instances that a request asks for; none for most requests.

    Args:
        request: Any request.
    """
    read = _READERS.get((request.service, request.operation))
    return list(read(request.parameters)) if read else []


def _training(fields: dict[str, Any]) -> Iterator[Charge]:
    limit = fields.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY)
    resources = fields.get("ResourceConfig", {})
    kept = resources.get("KeepAlivePeriodInSeconds", 0)  # a warm pool is charged while it waits
    for group in resources.get("InstanceGroups") or [resources]:
        if "InstanceType" in group:
            count = group.get("InstanceCount", 1)
            yield Charge("training", group["InstanceType"], count, resources.get("VolumeSizeInGB", 0), limit + kept)


def _processing(fields: dict[str, Any]) -> Iterator[Charge]:
    cluster = fields.get("ProcessingResources", {}).get("ClusterConfig", {})
    limit = fields.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY)
    yield Charge(
        "processing", cluster["InstanceType"], cluster["InstanceCount"], cluster.get("VolumeSizeInGB", 0), limit
    )


def _transform(fields: dict[str, Any]) -> Iterator[Charge]:
    resources = fields["TransformResources"]
    yield Charge("transform", resources["InstanceType"], resources["InstanceCount"], 0, None)


def _tuning(fields: dict[str, Any]) -> Iterator[Charge]:
    limits = fields["HyperParameterTuningJobConfig"]["ResourceLimits"]
    parallel, jobs = limits["MaxParallelTrainingJobs"], limits.get("MaxNumberOfTrainingJobs", 1)
    overall = limits.get("MaxRuntimeInSeconds", float("inf"))
    definitions = fields.get("TrainingJobDefinitions") or [fields.get("TrainingJobDefinition", {})]
    for definition in definitions:
        for one in _training({**definition, "ResourceConfig": _resources(definition)}):
            # One job after another in each of the parallel places, until they are all done or time is up.
            longest = min(-(-jobs // parallel) * (one.ceiling or _DAY), overall)
            yield Charge("training", one.instance_type, one.instances * parallel, one.volume_gb, longest)


def _resources(definition: dict[str, Any]) -> dict[str, Any]:
    given = definition.get("ResourceConfig") or definition.get("HyperParameterTuningResourceConfig") or {}
    return dict((given.get("InstanceConfigs") or [{}])[0]) | given


def _endpoint(fields: dict[str, Any]) -> Iterator[Charge]:
    for variant in (*fields.get("ProductionVariants", []), *fields.get("ShadowProductionVariants", [])):
        if "InstanceType" in variant:
            count = variant.get("InitialInstanceCount", 1)
            yield Charge("hosting", variant["InstanceType"], count, variant.get("VolumeSizeInGB", 0), None)


_READERS = {
    ("sagemaker", "CreateTrainingJob"): _training,
    ("sagemaker", "CreateProcessingJob"): _processing,
    ("sagemaker", "CreateTransformJob"): _transform,
    ("sagemaker", "CreateHyperParameterTuningJob"): _tuning,
    ("sagemaker", "CreateEndpointConfig"): _endpoint,
}
UNPRICED = {
    "CreateAutoMLJobV2": "Autopilot chooses its instances itself",
    "StartQueryExecution": "Athena is charged by the bytes a query reads",
    "StartPipelineExecution": "what its steps cost stands in the pipeline's definition",
    "StartJobRun": "EMR is charged by what the job really used",
    "ExecuteStatement": "Redshift is charged by its cluster or workgroup",
}
