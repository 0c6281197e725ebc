"""What the tasks of a compiled pipeline are given, as far as that is known before anything runs.

KFP's IR binds each input of a task to a constant, to an input of the pipeline around it, or to another
task's output. The first two are followed to their values; an output is known only while the pipeline runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intermodal.runtime.graph import step_of
from intermodal.runtime.sagemaker.render import UNKNOWN

_TEMPLATE = re.compile(r"\{\{\$\.inputs\.parameters\[\\?['\"]([^'\"\\]+)\\?['\"]\]\}\}")
_SELECTOR = re.compile(r"parseJson\(string_value\)\[\"([^\"]+)\"\]")


@dataclass(frozen=True)
class Value:
    """A plain value.

    Attributes:
        value: The value; meaningless when it is not known.
        known: Whether it is known before the pipeline runs.
    """

    value: Any = None
    known: bool = True


@dataclass(frozen=True)
class Uris:
    """The artifacts of one input.

    Attributes:
        uris: Their URIs; stand-ins when they are not known.
        known: Whether they are known before the pipeline runs.
    """

    uris: tuple[str, ...]
    known: bool = True


@dataclass(frozen=True)
class Scope:
    """What a pipeline, a part of one, or one round of a loop is given.

    Attributes:
        values: Parameter → value.
        artifacts: Artifact → where it lies.
    """

    values: Mapping[str, Value]
    artifacts: Mapping[str, Uris]


def inner_scope(spec: Any, dag: Any, task: Any, scope: Scope, store: str) -> Scope:
    """What a task is given.

    Args:
        spec: KFP's `PipelineSpec` message.
        dag: The part of it that holds the task.
        task: The task.
        scope: What that part is given.
        store: Root of the artifact store.
    """
    values = {name: _value(item, scope) for name, item in task.inputs.parameters.items()}
    values = {name: _filled(item, values) for name, item in values.items()}
    artifacts = {name: _uris(spec, dag, item, scope, store) for name, item in task.inputs.artifacts.items()}
    return Scope(values, artifacts)


def rounds_of(task: Any, given: Scope) -> list[Scope]:
    """What each round of a loop is given; one round of unknowns where the items are not known.

    Args:
        task: The loop.
        given: What the loop is given.
    """
    kind = task.WhichOneof("iterator")
    if kind == "parameter_iterator":
        iterator = task.parameter_iterator
        items = _items(iterator.items, given)
        return [Scope({**given.values, iterator.item_input: item}, given.artifacts) for item in items]
    if kind == "artifact_iterator":
        iterator = task.artifact_iterator
        found = given.artifacts.get(iterator.items.input_artifact, Uris((), known=False))
        one = [Uris((uri,), found.known) for uri in found.uris]
        return [Scope(given.values, {**given.artifacts, iterator.item_input: item}) for item in one]
    return [given]


def _items(items: Any, given: Scope) -> list[Value]:
    if items.raw:
        return [Value(item) for item in json.loads(items.raw)]
    found = given.values.get(items.input_parameter, Value(known=False))
    value = _from_json(found.value) if found.known else None
    return [Value(item) for item in value] if isinstance(value, list) else [Value(known=False)]


def _value(item: Any, scope: Scope) -> Value:
    from google.protobuf import json_format

    kind = item.WhichOneof("kind")
    if kind == "runtime_value":
        return Value(json_format.MessageToDict(item.runtime_value.constant))
    if kind != "component_input_parameter":
        return Value(known=False)  # another task's output, or how the run ended
    found = scope.values.get(item.component_input_parameter, Value(known=False))
    return _selected(found, item.parameter_expression_selector)


def _selected(value: Value, selector: str) -> Value:
    """One entry of an item, as a loop over mappings takes it."""
    if not selector or not value.known:
        return value
    found, whole = _SELECTOR.fullmatch(selector), _from_json(value.value)
    if found is None or not isinstance(whole, dict) or found[1] not in whole:
        return Value(known=False)
    return Value(whole[found[1]])


def _filled(value: Value, values: Mapping[str, Value]) -> Value:
    """A value that KFP pieces together from other inputs of the same task, in a text or within a list."""
    if not value.known:
        return value
    names = _TEMPLATE.findall(json.dumps(value.value).replace('\\"', '"')) if value.value is not None else []
    if not all(values.get(name, Value(known=False)).known for name in names):
        return Value(known=False)
    return Value(_pasted(value.value, values))


def _pasted(value: Any, values: Mapping[str, Value]) -> Any:
    if isinstance(value, dict):
        return {key: _pasted(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_pasted(item, values) for item in value]
    if not isinstance(value, str):
        return value
    whole = _TEMPLATE.fullmatch(value)
    if whole is not None:  # the value itself, of its own type
        return values[whole[1]].value
    return _TEMPLATE.sub(lambda found: _as_text(values[found[1]].value), value)


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _uris(spec: Any, dag: Any, item: Any, scope: Scope, store: str) -> Uris:
    if item.WhichOneof("kind") == "component_input_artifact":
        return scope.artifacts.get(item.component_input_artifact, Uris((), known=False))
    output = item.task_output_artifact
    return _output(spec, dag, output.producer_task, output.output_artifact_key, store)


def _output(spec: Any, dag: Any, producer: str, key: str, store: str) -> Uris:
    """An output of a task, which may itself be a part with tasks."""
    from google.protobuf import json_format

    component = spec.components[dag.tasks[producer].component_ref.name]
    if component.WhichOneof("implementation") == "dag":
        selectors = component.dag.outputs.artifacts[key].artifact_selectors
        inner = selectors[0]  # of exclusive branches any one stands for the others
        return _output(spec, component.dag, inner.producer_subtask, inner.output_artifact_key, store)
    executor = json_format.MessageToDict(spec.deployment_spec["executors"][component.executor_label])
    uri = executor.get("importer", {}).get("artifactUri", {}).get("constant", "")
    if uri:
        return Uris((uri,))
    target = step_of(executor.get("container", {}).get("command", []))
    return Uris((f"{store}/artifacts/{target.rpartition(':')[2] or producer}/{UNKNOWN}/{key}",), known=False)
