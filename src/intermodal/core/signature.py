"""Reading a step's signature: KFP's types in, a `StepSpec` out."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from intermodal.core.step import Needs, Parameter, Slot, StepSpec
from intermodal.errors import UsageError

PLAIN_TYPES = (str, int, float, bool, list, dict)
INJECTED = ("PipelineTaskFinalStatus", "TaskConfig")  # filled in by KFP, never by a caller


def read_signature(function: Callable[..., Any], needs: Needs) -> StepSpec:
    """Read name, parameters, artifacts and documentation of a step.

    Args:
        function: The step's function, annotated with KFP's types.
        needs: What its decorator added.

    Returns:
        The step as a value.

    Raises:
        UsageError: An annotation is missing or is no type KFP can carry, or a name in
            `needs.sources` is no parameter.
    """
    docs = _documentation(function)
    parameters: list[Parameter] = []
    injected: list[str] = []
    inputs: list[Slot] = []
    outputs: list[Slot] = []
    for name, item in inspect.signature(function).parameters.items():
        kind, payload = _classify(function, name, item)
        doc = docs.get(name, "")
        if kind == "injected":
            injected.append(name)
        elif kind == "parameter":
            required = item.default is inspect.Parameter.empty
            parameters.append(
                Parameter(name, payload, None if required else item.default, required, doc, _element(item))
            )
        else:
            optional = item.default is not inspect.Parameter.empty
            (inputs if kind == "input" else outputs).append(Slot(name, payload, optional, doc))
    _check_sources(function, needs, parameters)
    return StepSpec(
        name=function.__name__,
        target=f"{function.__module__}:{function.__qualname__}",
        summary=docs.get("", ""),
        needs=needs,
        parameters=tuple(parameters),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        return_types=_return_types(function),
        injected=tuple(injected),
    )


def _classify(function: Callable[..., Any], name: str, item: inspect.Parameter) -> tuple[str, Any]:
    """("parameter", python type), ("input" | "output", schema title) or ("injected", None) of one argument."""
    from kfp.dsl.types import type_annotations as kfp_types

    annotation = kfp_types.maybe_strip_optional_from_annotation(_resolved(function, item.annotation))
    if kfp_types.is_Input_Output_artifact_annotation(annotation):
        artifact = kfp_types.get_io_artifact_class(annotation)
        artifact = typing.get_args(artifact)[0] if typing.get_origin(artifact) is list else artifact
        side = "input" if kfp_types.is_artifact_wrapped_in_Input(annotation) else "output"
        return side, artifact.schema_title
    plain = typing.get_origin(annotation) or annotation
    if getattr(plain, "__name__", "") in INJECTED:
        return "injected", None
    if plain in PLAIN_TYPES and not kfp_types.is_list_of_artifacts(annotation):
        return "parameter", plain
    raise UsageError(
        f"step {function.__name__}: argument {name} has a type that a step cannot take",
        seen=_spelled(annotation),
        expected="str, int, float, bool, list, dict, Optional[…] of one of them, Input[…] or Output[…]",
    )


def _element(item: inspect.Parameter) -> Any:
    """Type of the elements of a list or the values of a dict, innermost, when the annotation says."""
    from kfp.dsl.types.type_annotations import maybe_strip_optional_from_annotation

    inner = maybe_strip_optional_from_annotation(item.annotation)
    while typing.get_origin(inner) in (list, dict):
        inner = typing.get_args(inner)[-1]
    return inner if inner in PLAIN_TYPES and inner not in (list, dict) else object


def _spelled(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "no annotation"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _resolved(function: Callable[..., Any], annotation: Any) -> Any:
    if not isinstance(annotation, str):
        return annotation
    raise UsageError(
        f"step {function.__name__}: its annotations are text, which KFP cannot read",
        seen=annotation,
        next_step="remove `from __future__ import annotations` from the step's file",
    )


def _return_types(function: Callable[..., Any]) -> dict[str, type]:
    annotation = _resolved(function, inspect.signature(function).return_annotation)
    if annotation in (inspect.Signature.empty, None):
        return {}
    fields = typing.get_type_hints(annotation) if hasattr(annotation, "_fields") else {"Output": annotation}
    return {name: _plain_value(function, name, kind) for name, kind in fields.items()}


def _plain_value(function: Callable[..., Any], name: str, annotation: Any) -> type:
    plain = typing.get_origin(annotation) or annotation
    if plain in PLAIN_TYPES:
        return plain  # type: ignore[no-any-return]
    raise UsageError(
        f"step {function.__name__}: it cannot return {name} of this type",
        seen=_spelled(annotation),
        expected="str, int, float, bool, list or dict, or a NamedTuple of them",
        next_step="an artifact is an argument: data: Output[Dataset]",
    )


def _documentation(function: Callable[..., Any]) -> dict[str, str]:
    """Argument name → its line; the summary under the empty name."""
    from docstring_parser import parse

    parsed = parse(inspect.getdoc(function) or "")
    docs = {item.arg_name: " ".join((item.description or "").split()) for item in parsed.params}
    docs[""] = parsed.short_description or ""
    return docs


def _check_sources(function: Callable[..., Any], needs: Needs, parameters: list[Parameter]) -> None:
    unknown = set(needs.sources) - {item.name for item in parameters}
    if unknown:
        raise UsageError(
            f"step {function.__name__}: `sources` names what is not a parameter",
            seen=", ".join(sorted(unknown)),
            expected=", ".join(item.name for item in parameters),
        )
