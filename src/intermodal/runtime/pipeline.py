"""Pipelines: ordinary `@kfp.dsl.pipeline` functions, or the IR that kfp compiled from one."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.core.component import PIPELINE_MODULE
from intermodal.core.values import from_text
from intermodal.errors import IntermodalError, UsageError

PARAMETER_TYPES = {
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": float,
    "STRING": str,
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
}


@dataclass(frozen=True)
class PipelineParameter:
    """A parameter of a pipeline.

    Attributes:
        name: Its name.
        type: str, int, float, bool, list or dict.
        default: Its default.
        required: True when there is no default.
    """

    name: str
    type: type
    default: Any
    required: bool


@dataclass(frozen=True)
class Pipeline:
    """A pipeline, compiled.

    Attributes:
        name: Its name.
        reference: What the user typed to name it.
        spec: KFP's `PipelineSpec` message.
        parameters: Its parameters.
        source: The KFP object it was compiled from.
    """

    name: str
    reference: str
    spec: Any
    parameters: tuple[PipelineParameter, ...]
    source: Any = None


def load_pipeline(reference: str) -> Pipeline:
    """Load a pipeline.

    Args:
        reference: A Python file, "file.py:name" when it holds several pipelines, or a compiled YAML.

    Raises:
        UsageError: There is no such file, or no pipeline in it, or it does not compile.
    """
    # A step that starts a pipeline hands this on; with it kfp leaves out what compiling needs.
    os.environ.pop("_KFP_RUNTIME", None)
    path_text, _, wanted = reference.partition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UsageError(
            "there is no such pipeline file",
            seen=path_text,
            expected="a Python file with a @kfp.dsl.pipeline, or a compiled .yaml",
            next_step="intermodal init makes a project with one",
        )
    add_import_paths(path)  # the IR names steps by module: a compiled pipeline needs them as its source does
    made = _from_yaml(path) if path.suffix in (".yaml", ".yml") else _from_python(path, wanted)
    return pipeline_of(made, reference)


def pipeline_of(made: Any, reference: str) -> Pipeline:
    """A pipeline from kfp's own object.

    Args:
        made: What `@kfp.dsl.pipeline` or kfp's loader returned.
        reference: What names it.
    """
    spec = made.pipeline_spec
    parameters = tuple(_parameter(name, item) for name, item in sorted(spec.root.input_definitions.parameters.items()))
    return Pipeline(spec.pipeline_info.name, reference, spec, parameters, made)


def read_arguments(pipeline: Pipeline, assignments: list[str]) -> dict[str, Any]:
    """Read `name=value` words for a pipeline.

    Args:
        pipeline: The pipeline.
        assignments: What followed each `-p`.

    Returns:
        Name → value of the declared type, for those given.

    Raises:
        UsageError: A word is no assignment, a name is unknown, a type is wrong, or a required one misses.
    """
    known = {item.name: item for item in pipeline.parameters}
    arguments: dict[str, Any] = {}
    for word in assignments:
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError("a parameter is given as name=value", seen=word, expected="for example -p rows=1000")
        if name not in known:
            raise _unknown(pipeline, name)
        arguments[name] = from_text(name, known[name].type, text)
    missing = [item.name for item in pipeline.parameters if item.required and item.name not in arguments]
    if missing:
        words = " ".join(f"-p {name}=…" for name in missing)
        raise UsageError(
            f"pipeline {pipeline.name} misses parameters", expected=", ".join(missing), next_step=f"add {words}"
        )
    return arguments


def all_arguments(pipeline: Pipeline, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments together with the defaults of the rest."""
    return {item.name: arguments.get(item.name, item.default) for item in pipeline.parameters}


def _unknown(pipeline: Pipeline, name: str) -> UsageError:
    import difflib

    names = [item.name for item in pipeline.parameters]
    near = difflib.get_close_matches(name, names, n=1)
    return UsageError(f"pipeline {pipeline.name} has no such parameter", seen=name, expected=", ".join(near or names))


def _from_yaml(path: Path) -> Any:
    from kfp import components

    try:
        return components.load_component_from_file(str(path))
    except Exception as error:  # kfp raises whatever its YAML and protobuf readers raise
        raise UsageError(f"{path} is not a compiled pipeline", seen=f"{type(error).__name__}: {error}") from error


def _from_python(path: Path, wanted: str) -> Any:
    from kfp.dsl.graph_component import GraphComponent

    module = _import_file(path)
    found = {name: value for name, value in vars(module).items() if isinstance(value, GraphComponent)}
    own = {name: value for name, value in found.items() if value.pipeline_func.__module__ == module.__name__}
    found = own or found  # a part that the file imports is not what is to be run
    if wanted:
        found = {name: value for name, value in found.items() if wanted in (name, value.name)}
    if len(found) == 1:
        return next(iter(found.values()))
    raise UsageError(
        f"{path} holds {'no pipeline' if not found else 'several pipelines'}",
        seen=wanted or ", ".join(found) or "no @kfp.dsl.pipeline",
        expected="one function with @kfp.dsl.pipeline",
        next_step=f"name one: {path}:{next(iter(found))}" if found else "",
    )


def _import_file(path: Path) -> Any:
    """Run a pipeline file."""
    name = f"{PIPELINE_MODULE}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError("this is not a Python file", seen=path, expected="a .py or .yaml file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except IntermodalError:
        raise
    except Exception as error:  # the user's own file: whatever it raises is told in one line
        raise UsageError(f"{path} cannot be loaded", seen=f"{type(error).__name__}: {error}") from error
    return module


def add_import_paths(path: Path) -> list[str]:
    """Let modules beside a pipeline, and in the working directory, be imported, as for a script; what was added."""
    folders = [str(path.parent.absolute()), str(Path.cwd())]
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)
    return folders


def _parameter(name: str, item: Any) -> PipelineParameter:
    from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

    kind = PARAMETER_TYPES.get(ParameterType.ParameterTypeEnum.Name(item.parameter_type), str)
    has_default = item.HasField("default_value") or item.is_optional
    return PipelineParameter(name, kind, _plain(item.default_value, kind) if has_default else None, not has_default)


def _plain(value: Any, kind: type) -> Any:
    from google.protobuf import json_format

    plain = json_format.MessageToDict(value)
    return int(plain) if kind is int and isinstance(plain, float) else plain
