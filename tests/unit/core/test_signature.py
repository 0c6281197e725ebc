"""What a step's signature says, and what it may not say."""

from typing import Any, Dict, List, NamedTuple, Optional, Union

import pytest
from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, InputPath, Metrics, Model, Output, OutputPath, PipelineTaskFinalStatus

import toy_steps
from intermodal.core.step import FAMILIES, Parameter, Slot, is_step, spec_of, step
from intermodal.errors import UsageError

# ruff: noqa: UP006, UP007, UP035, UP045  KFP's own spelling of its types is what is tested


@step(image="torch", cpu="4", memory="8Gi", gpu=1, capabilities=("mlflow",), sources=("source",))
def everything(
    data: Input[Dataset],
    parts: Input[List[Artifact]],
    out: Output[Model],
    scores: Output[Metrics],
    text: str,
    count: int,
    maybe: Optional[Input[Dataset]] = None,
    rate: float = 0.5,
    flag: bool = False,
    names: List[str] = [],  # noqa: B006  a default as KFP writes it
    weights: Dict[str, float] = {},  # noqa: B006
    bare: list = [],  # noqa: B006
    source: Optional[str] = None,
    status: Optional[PipelineTaskFinalStatus] = None,
):
    """Everything at once.

    More words that are not the summary.

    Args:
        data: The data,
            on two lines.
        count: How many.
    """


def test_every_type_is_read():
    spec = spec_of(everything)
    assert spec.name == "everything"
    assert spec.target == f"{__name__}:everything"
    assert spec.summary == "Everything at once."
    assert spec.inputs == (
        Slot("data", "system.Dataset", doc="The data, on two lines."),
        Slot("parts", "system.Artifact"),
        Slot("maybe", "system.Dataset", optional=True),
    )
    assert spec.outputs == (Slot("out", "system.Model"), Slot("scores", "system.Metrics"))
    assert {item.name: item.type for item in spec.parameters} == {
        "text": str,
        "count": int,
        "rate": float,
        "flag": bool,
        "names": list,
        "weights": dict,
        "bare": list,
        "source": str,
    }
    assert spec.parameter("count") == Parameter("count", int, None, True, "How many.", int)
    assert spec.parameter("rate") == Parameter("rate", float, 0.5, False, element=float)
    assert not spec.parameter("source").required
    assert spec.returns == ()


def test_what_the_decorator_adds():
    needs = spec_of(everything).needs
    assert (needs.image, needs.cpu, needs.memory, needs.gpu) == ("torch", "4", "8Gi", 1)
    assert needs.capabilities == ("mlflow",)
    assert needs.sources == ("source",)


def test_the_decorator_returns_the_function_itself():
    def plain(n: int = 3) -> int:
        return 2 * n

    assert step()(plain) is plain
    assert plain(4) == 8
    assert is_step(plain)
    assert not is_step(toy_steps.not_a_step)
    assert not is_step(42)


@pytest.mark.parametrize(
    ("annotation", "element"),
    [
        (List[float], float),
        (list[float], float),
        (Optional[List[float]], float),
        (List[List[float]], float),
        (Dict[str, float], float),
        (Dict[str, List[int]], int),
        (list, object),
        (dict, object),
        (List[Any], object),
        (Optional[int], int),
        (str, str),
    ],
)
def test_the_innermost_type_of_a_list_or_dict(annotation, element):
    def function(value):
        """One argument."""

    function.__annotations__["value"] = annotation
    assert spec_of(step()(function)).parameter("value").element is element


class Several(NamedTuple):
    """Plain values."""

    total: int
    weights: Dict[str, float]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (None, {}),
        (int, {"Output": int}),
        (List[str], {"Output": list}),
        (Several, {"total": int, "weights": dict}),
        (NamedTuple("Inline", [("a", str)]), {"a": str}),
    ],
)
def test_what_a_step_returns(annotation, expected):
    def function():
        """No argument."""

    function.__annotations__["return"] = annotation
    spec = spec_of(step()(function))
    assert spec.return_types == expected
    assert spec.returns == tuple(expected)


@pytest.mark.parametrize(
    ("annotation", "seen"),
    [
        (tuple, "tuple"),
        (bytes, "bytes"),
        (Any, "Any"),
        (Union[int, str], "Union"),
        (int | None, "int | None"),
        (Dataset, "Dataset"),
        (List[Dataset], "List"),
        (InputPath(str), "InputPath"),
        (OutputPath(str), "OutputPath"),
        (Several, "Several"),
    ],
)
def test_a_type_that_a_step_cannot_take(annotation, seen):
    def function(value):
        """One argument."""

    function.__annotations__["value"] = annotation
    with pytest.raises(UsageError, match="argument value has a type that a step cannot take") as caught:
        spec_of(step()(function))
    assert seen in caught.value.seen
    assert "Input[…]" in caught.value.expected


@pytest.mark.parametrize("annotation", [Dataset, tuple, bytes, NamedTuple("Mixed", [("a", int), ("b", Dataset)])])
def test_a_type_that_a_step_cannot_return(annotation):
    def function():
        """No argument."""

    function.__annotations__["return"] = annotation
    with pytest.raises(UsageError, match="cannot return"):
        spec_of(step()(function))


def test_an_argument_without_annotation():
    @step()
    def function(value):
        """One argument."""

    with pytest.raises(UsageError) as caught:
        spec_of(function)
    assert caught.value.seen == "no annotation"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["value", "return"])
def test_annotations_that_are_text(name):
    def function(value: int = 3):
        """As `from __future__ import annotations` makes them."""

    function.__annotations__[name] = "int"
    with pytest.raises(UsageError, match="annotations are text") as caught:
        spec_of(step()(function))
    assert "from __future__ import annotations" in caught.value.next_step


def test_star_arguments_are_refused():
    @step()
    def function(*values):
        """Any number."""

    with pytest.raises(UsageError, match="values"):
        spec_of(function)


def test_sources_must_name_parameters():
    @step(sources=("sauce",))
    def function(source: str):
        """One argument."""

    with pytest.raises(UsageError) as caught:
        spec_of(function)
    assert (caught.value.seen, caught.value.expected) == ("sauce", "source")


def test_an_unknown_family_is_refused():
    with pytest.raises(UsageError) as caught:
        step(image="julia")
    assert caught.value.expected == ", ".join(FAMILIES)


def test_a_plain_function_is_no_step():
    with pytest.raises(UsageError, match="not a step") as caught:
        spec_of(toy_steps.not_a_step)
    assert caught.value.seen == "not_a_step"


def test_an_unknown_parameter_is_told_with_the_known_ones():
    with pytest.raises(UsageError) as caught:
        spec_of(toy_steps.make).parameter("m")
    assert (caught.value.seen, caught.value.expected) == ("m", "n, seconds")


def test_the_final_status_is_injected_and_no_parameter():
    spec = spec_of(toy_steps.closing)
    assert [item.name for item in spec.parameters] == ["folder"]
    assert not spec.inputs


@pytest.mark.parametrize(
    "name", ["make", "spread", "total", "merge", "say", "add", "summarise", "maybe", "judged", "closing", "train"]
)
def test_the_signature_agrees_with_kfp(name):
    """KFP reads the same function; names, artifact types and defaults must be the same."""
    function = getattr(toy_steps, name)
    spec = spec_of(function)
    component = dsl.component(function, base_image="x", target_image="x").component_spec
    inputs = dict(component.inputs or {})
    artifacts = {key for key, item in inputs.items() if item.type.startswith("system.")}
    injected = {key for key, item in inputs.items() if item.type == "PipelineTaskFinalStatus"}
    assert {item.name for item in spec.inputs} == artifacts
    assert {item.name for item in spec.parameters} == set(inputs) - artifacts - injected
    for item in spec.inputs:
        assert inputs[item.name].type.partition("@")[0] == item.schema
        assert inputs[item.name].optional == item.optional
    for item in spec.parameters:
        assert inputs[item.name].optional == (not item.required)
        assert inputs[item.name].default == item.default
    outputs = {key: item.type.partition("@")[0] for key, item in (component.outputs or {}).items()}
    assert {item.name: item.schema for item in spec.outputs}.items() <= outputs.items()
    assert set(outputs) - {item.name for item in spec.outputs} == set(spec.returns)
