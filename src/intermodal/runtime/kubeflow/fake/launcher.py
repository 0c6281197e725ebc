"""What KFP's driver and launcher do around a task's command, for one pod.

The driver makes the ExecutorInput, with an output URI under the run's own root for each artifact; the
launcher makes the folders, fills placeholders into command and arguments, and afterwards reads
`output_metadata.json` and the files of output parameters, and records each artifact at its URI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.runtime.local.hooks import fill_in, write_whole

_FIELD = re.compile(r"\{\{\$\.(inputs|outputs)\.(parameters|artifacts)\['([^']+)'\](?:\.(uri|path|output_file))?\}\}")


class LauncherFailed(Exception):
    """What the launcher itself would have failed on, after a command that went well or before it."""


@dataclass(frozen=True)
class Places:
    """Where a pod finds things.

    Attributes:
        root: URI under which this execution's outputs go: pipeline root, task and execution.
        run_root: URI under which all outputs of the run go.
        answers: Folder for output metadata and output parameters, as the pod sees it.
        answers_here: The same folder, as we see it.
    """

    root: str
    run_root: str
    answers: str
    answers_here: Path


@dataclass(frozen=True)
class Names:
    """What constant inputs may refer to: `{{$.pipeline_job_uuid}}` and its like.

    Attributes:
        run_id: The run.
        run_name: Its workflow.
        task: The task.
        task_id: Its execution.
        root: The run's pipeline root.
    """

    run_id: str
    run_name: str
    task: str
    task_id: str
    root: str


def executor_input(component: Any, arguments: Mapping[str, Any], places: Places, names: Names) -> dict[str, Any]:
    """The ExecutorInput of a task, as JSON.

    Args:
        component: Its `ComponentSpec`.
        arguments: Its inputs: values, and artifacts of kfp.dsl.
        places: Where its outputs go.
        names: What placeholders in constants stand for.
    """
    from kfp.local import executor_input_utils, placeholder_utils

    message = executor_input_utils.construct_executor_input(
        component_spec=component, arguments=dict(arguments), task_root=places.root, block_input_artifact=False
    )
    for name, item in message.outputs.parameters.items():
        item.output_file = f"{places.answers}/outputs/{name}"
    message.outputs.output_file = f"{places.answers}/output_metadata.json"
    fields = executor_input_utils.executor_input_to_dict(message, component)
    values = fields.get("inputs", {}).get("parameterValues", {})
    for name in [name for name, value in values.items() if value is None]:
        del values[name]  # kfp.local writes null for an optional input that is not given; KFP leaves it out
    write_whole(values)
    placeholder_utils.resolve_self_references_in_executor_input(
        executor_input_dict=fields,
        pipeline_resource_name=names.run_name,
        task_resource_name=names.task,
        pipeline_root=names.root,
        pipeline_job_id=names.run_id,
        pipeline_task_id=names.task_id,
    )
    fill_in(values)
    return fields


def command_of(container: Any, fields: dict[str, Any]) -> list[str]:
    """A task's command with the placeholders that the launcher knows; others stay as they are."""
    from kfp.local import placeholder_utils

    given = placeholder_utils.get_provided_inputs(fields)
    words = [
        placeholder_utils.resolve_struct_placeholders(word, given) for word in (*container.command, *container.args)
    ]
    whole = json.dumps(fields)

    def filled(found: re.Match[str]) -> str:
        value = _value(fields, *found.groups())
        return found[0] if value is None else value

    return [_FIELD.sub(filled, word).replace("{{$}}", whole) for word in placeholder_utils.flatten_list(words)]


def _value(fields: dict[str, Any], side: str, kind: str, name: str, part: str | None) -> str | None:
    if kind == "artifacts":
        items = fields.get(side, {}).get("artifacts", {}).get(name, {}).get("artifacts", [])
        if not items or part not in ("uri", "path"):
            return None
        return items[0]["uri"] if part == "uri" else path_of(items[0]["uri"])
    if side == "outputs":
        found = fields["outputs"].get("parameters", {}).get(name)
        return str(found["outputFile"]) if found and part == "output_file" else None
    values = fields.get("inputs", {}).get("parameterValues", {})
    if name not in values or part:
        return None
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value)


def path_of(uri: str) -> str:
    """The local path of a URI inside a pod, which is also `Artifact.path` in kfp."""
    for scheme, folder in (("minio://", "/minio/"), ("s3://", "/s3/"), ("gs://", "/gcs/")):
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri


def collect(component: Any, fields: dict[str, Any], places: Places) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a command that went well has given out.

    Args:
        component: Its `ComponentSpec`.
        fields: Its ExecutorInput.
        places: Where its outputs are.

    Returns:
        Output parameters; artifacts as JSON of `RuntimeArtifact`, with the output's name in `output`.

    Raises:
        LauncherFailed: The metadata cannot be read, a parameter is missing, or an artifact lies elsewhere.
    """
    answer = _answer(places)
    parameters = dict(answer.get("parameterValues", {}))
    for name, item in component.output_definitions.parameters.items():
        if name not in parameters:
            parameters[name] = _parameter(name, item.parameter_type, places)
        parameters[name] = _typed(name, parameters[name], item.parameter_type)
    given = fields["outputs"].get("artifacts", {})
    artifacts = [
        {"output": name, **_merged(item, answer.get("artifacts", {}).get(name, {}), places)}
        for name, items in sorted(given.items())
        for item in items["artifacts"]
    ]
    return parameters, artifacts


def _answer(places: Places) -> dict[str, Any]:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    path = places.answers_here / "output_metadata.json"
    if not path.is_file():
        return {}
    try:
        message = json_format.Parse(path.read_text(), pipeline_spec_pb2.ExecutorOutput())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise LauncherFailed(f"failed to unmarshall ExecutorOutput: {error}") from error
    return dict(json_format.MessageToDict(message))


def _parameter(name: str, kind: int, places: Places) -> Any:
    from kfp.local.executor_output_utils import special_dsl_outputpath_read

    path = places.answers_here / "outputs" / name
    if not path.is_file():
        raise LauncherFailed(f"failed to read output parameter name={name!r}: no such file {path.name}")
    try:
        return special_dsl_outputpath_read(name, str(path), kind)
    except ValueError as error:
        raise LauncherFailed(f"failed to read output parameter name={name!r}: {error}") from error


def _typed(name: str, value: Any, kind: int) -> Any:
    from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

    if kind != ParameterType.ParameterTypeEnum.NUMBER_INTEGER:
        return value
    if not isinstance(value, int | float) or isinstance(value, bool) or value != int(value):
        raise LauncherFailed(f"failed to read output parameter name={name!r}: {value!r} is no whole number")
    return int(value)


def _merged(made: dict[str, Any], told: dict[str, Any], places: Places) -> dict[str, Any]:
    """An artifact as the driver made it, with what the executor told about it."""
    items = told.get("artifacts", [])
    merged = dict(made)
    if items:
        merged["uri"] = items[0].get("uri") or made["uri"]
        merged["metadata"] = {**made.get("metadata", {}), **items[0].get("metadata", {})}
    if not merged["uri"].startswith(f"{places.run_root}/"):
        raise LauncherFailed(
            f"failed to upload output artifact {made['name']!r}: URI {merged['uri']!r} does not have the expected "
            f"prefix {places.run_root!r}"
        )
    return merged
