"""Pipeline specs: read from YAML or from a request, and refused when KFP would fail on them later.

`PipelineSpec` alone takes anything under `deploymentSpec`, and any name of a task or component; so those
are checked here, as the driver would find them when it is too late.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import invalid

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,126}[a-z0-9])?")
_SCHEMAS = ("2.0.0", "2.1.0")
_KINDS = {
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


@dataclass(frozen=True)
class Spec:
    """A pipeline as submitted.

    Attributes:
        pipeline: The JSON of its `PipelineSpec`.
        platform: The JSON of its `PlatformSpec`; empty for none.
        message: The `PipelineSpec` message.
    """

    pipeline: dict[str, Any]
    platform: dict[str, Any]
    message: Any

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.message.pipeline_info.name)

    def to_json(self) -> dict[str, Any]:
        """As the API gives it back: with the platform spec beside it when there is one."""
        return {"pipeline_spec": self.pipeline, "platform_spec": self.platform} if self.platform else self.pipeline


def read_yaml(text: bytes) -> Spec:
    """Read a compiled pipeline: a pipeline spec, and perhaps a platform spec after it.

    Raises:
        Refused: 400.
    """
    import yaml

    try:
        documents = [item for item in yaml.safe_load_all(text) if item is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise invalid(f"the pipeline is not YAML: {error}") from error
    if not 1 <= len(documents) <= 2 or not all(isinstance(item, dict) for item in documents):
        raise invalid(f"expected a pipeline spec and at most one platform spec, got {len(documents)} documents")
    return read_spec({"pipeline_spec": documents[0], "platform_spec": (*documents, {})[1]})


def read_spec(fields: Any) -> Spec:
    """Read a pipeline spec as a request holds it.

    Args:
        fields: The `PipelineSpec`, or a mapping with `pipeline_spec` and `platform_spec`.

    Raises:
        Refused: 400, and why.
    """
    from kfp.pipeline_spec import pipeline_spec_pb2

    if not isinstance(fields, dict):
        raise invalid("the pipeline spec is no mapping")
    wrapped = fields if "pipeline_spec" in fields else {"pipeline_spec": fields}
    if set(wrapped) - {"pipeline_spec", "platform_spec"}:
        raise invalid(f"unknown fields beside pipeline_spec: {', '.join(sorted(wrapped))}")
    pipeline, platform = wrapped["pipeline_spec"], wrapped.get("platform_spec") or {}
    message = parsed(pipeline, pipeline_spec_pb2.PipelineSpec(), "pipeline spec")
    _check_head(message)
    deployment = parsed(
        pipeline.get("deploymentSpec", {}), pipeline_spec_pb2.PipelineDeploymentConfig(), "deploymentSpec"
    )
    _check_references(message, set(deployment.executors))
    parsed(platform, pipeline_spec_pb2.PlatformSpec(), "platform spec")
    _check_platform(platform, set(deployment.executors))
    return Spec(pipeline, platform, message)


def check_arguments(spec: Spec, given: dict[str, Any]) -> None:
    """Hold runtime parameters against the pipeline's inputs.

    Raises:
        Refused: 400, one is missing, unknown, or of the wrong type.
    """
    from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

    known = spec.message.root.input_definitions.parameters
    extra = sorted(set(given) - set(known))
    if extra:
        raise invalid(f"parameter(s) provided are not required by pipeline: {', '.join(extra)}")
    for name, item in known.items():
        if name not in given:
            if not item.HasField("default_value") and not item.is_optional:
                raise invalid(
                    f"parameter {name} is not optional, yet has neither default value nor user provided value"
                )
            continue
        kind = ParameterType.ParameterTypeEnum.Name(item.parameter_type)
        value = given[name]
        right = isinstance(value, _KINDS.get(kind, (object,)))
        if not right or (isinstance(value, bool) and kind not in ("BOOLEAN", "STRUCT")):
            raise invalid(f"input parameter {name} requires type {kind}, got {type(value).__name__}: {value!r}")


def parsed(fields: Any, message: Any, what: str) -> Any:
    """Parse a mapping into a protobuf message, refusing what it does not know."""
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(fields, message)
    except (json_format.ParseError, TypeError, AttributeError) as error:
        raise invalid(f"invalid {what}: {error}") from error


def _check_head(message: Any) -> None:
    if message.schema_version not in _SCHEMAS:
        raise invalid(f"schemaVersion is {message.schema_version!r}, expected one of {', '.join(_SCHEMAS)}")
    if not _NAME.fullmatch(message.pipeline_info.name):
        raise invalid(
            f"invalid v2 pipeline spec: name {message.pipeline_info.name!r} should consist of lower case "
            "alphanumeric characters or '-', and begin and end with one of the former"
        )
    if not message.root.HasField("dag"):
        raise invalid("invalid v2 pipeline spec: root component is empty")


def _check_references(message: Any, executors: set[str]) -> None:
    components = message.components
    for name, component in components.items():
        if component.WhichOneof("implementation") == "executor_label" and component.executor_label not in executors:
            raise invalid(f"component {name} names executor {component.executor_label}, which is not there")
    for where, component in [("root", message.root), *sorted(components.items())]:
        if component.WhichOneof("implementation") == "dag":
            _check_dag(where, component, components)


def _check_dag(where: str, component: Any, components: Any) -> None:
    tasks = component.dag.tasks
    for name, task in sorted(tasks.items()):
        if task.component_ref.name not in components:
            named = f"task {name} of {where} names component {task.component_ref.name!r}"
            raise invalid(f"{named}, which is not there")
    for name, task in sorted(tasks.items()):
        place = f"task {name} of {where}"
        for producer, key in _producers(task):
            if producer not in tasks:
                raise invalid(f"{place} waits for task {producer}, which is not there")
            _check_output(place, producer, key, components[tasks[producer].component_ref.name])
        for kind, key in _inputs_of_dag(task):
            if key not in getattr(component.input_definitions, kind):
                raise invalid(f"{place} reads input {key} of {where}, which is not there")


def _check_output(place: str, producer: str, key: str, component: Any) -> None:
    given = component.output_definitions
    if key and key not in given.parameters and key not in given.artifacts:
        raise invalid(f"{place} reads output {key} of task {producer}, which is not there")


def _producers(task: Any) -> Iterator[tuple[str, str]]:
    for name in task.dependent_tasks:
        yield name, ""
    for item in task.inputs.parameters.values():
        if item.HasField("task_output_parameter"):
            yield item.task_output_parameter.producer_task, item.task_output_parameter.output_parameter_key
        if item.HasField("task_final_status"):
            yield item.task_final_status.producer_task, ""
    for item in task.inputs.artifacts.values():
        if item.HasField("task_output_artifact"):
            yield item.task_output_artifact.producer_task, item.task_output_artifact.output_artifact_key


def _inputs_of_dag(task: Any) -> Iterator[tuple[str, str]]:
    own = {task.parameter_iterator.item_input, task.artifact_iterator.item_input}
    for item in task.inputs.parameters.values():
        if item.component_input_parameter and item.component_input_parameter not in own:
            yield "parameters", item.component_input_parameter
    for item in task.inputs.artifacts.values():
        if item.component_input_artifact and item.component_input_artifact not in own:
            yield "artifacts", item.component_input_artifact


def _check_platform(platform: dict[str, Any], executors: set[str]) -> None:
    """The settings of kfp-kubernetes, where that package is installed to know them."""
    for name, settings in platform.get("platforms", {}).items():
        if name != "kubernetes":
            raise invalid(f"there is no platform {name!r} here, expected kubernetes")
        for executor, fields in settings.get("deploymentSpec", {}).get("executors", {}).items():
            if executor not in executors:
                raise invalid(f"the platform spec names executor {executor}, which is not there")
            try:
                from kfp.kubernetes import kubernetes_executor_config_pb2
            except ImportError:
                continue
            parsed(fields, kubernetes_executor_config_pb2.KubernetesExecutorConfig(), f"platform spec of {executor}")
