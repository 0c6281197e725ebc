"""Conditions as SageMaker has them: they hold exactly when kfp's own do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.errors import UsageError
from intermodal.runtime.local.conditions import holds, references
from intermodal.runtime.sagemaker.pipelines.conditions import conditions_of
from intermodal.runtime.sagemaker_local.pipeline_values import Values

NAMES = {"text": str, "count": int, "share": float, "flag": bool}
ARGUMENTS = st.fixed_dictionaries(
    {
        "text": st.sampled_from(["a", "it's", "b c", ""]),
        "count": st.integers(-3, 3),
        "share": st.sampled_from([-1.5, 0.0, 0.25, 2.0]),
        "flag": st.booleans(),
    }
)


def read(name: str) -> str:
    """How kfp writes a value that is read."""
    text = f"inputs.parameter_values['pipelinechannel--{name}']"
    return f"int({text})" if NAMES[name] is int else text


def literal(value: Any) -> str:
    """How kfp writes a constant."""
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "\\'") + "'" if isinstance(value, str) else str(value)


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    """One comparison, as kfp writes it."""
    name = draw(st.sampled_from(sorted(NAMES)))
    value = draw(ARGUMENTS)[name]
    ordered = NAMES[name] in (int, float)
    operator = draw(st.sampled_from(["==", "!=", *(["<", "<=", ">", ">="] if ordered else [])]))
    return f"{read(name)} {operator} {literal(value)}"


EXPRESSIONS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        inner.map(lambda item: f"!({item})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) && ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) || ({pair[1]})"),
    ),
    max_leaves=5,
)


@given(expression=EXPRESSIONS, arguments=ARGUMENTS)
def test_a_condition_holds_exactly_when_kfps_own_does(expression: str, arguments: dict[str, Any]) -> None:
    short = {name: name.removeprefix("pipelinechannel--") for name in references(expression)}
    made = conditions_of(expression, lambda name: {"Get": f"Parameters.{short[name]}"})
    values = Values(arguments, {}, lambda _uri: {})
    expected = holds(expression, [arguments[short[name]] for name in references(expression)])
    assert all(values.holds(item) for item in made) == expected


@given(expression=EXPRESSIONS)
def test_what_is_made_has_only_what_sagemaker_knows(expression: str) -> None:
    def check(item: dict[str, Any]) -> None:
        if item["Type"] == "Or":
            assert len(item["Conditions"]) > 1
            for inner in item["Conditions"]:
                assert inner["Type"] != "Or"
                check(inner)
        elif item["Type"] == "Not":
            assert item["Condition"]["Type"] not in ("Not", "Or")
            check(item["Condition"])
        else:
            assert set(item) == {"Type", "LeftValue", "RightValue"}

    made = conditions_of(expression, lambda name: {"Get": f"Parameters.{name}"})
    assert made
    for item in made:
        check(item)


@pytest.mark.parametrize(
    "expression", ["inputs.parameter_values['a'] +", "size(inputs.parameter_values['a']) == 1", "1 < 2 < 3"]
)
def test_what_cannot_be_said_is_refused(expression: str) -> None:
    with pytest.raises(UsageError, match="cannot be said"):
        conditions_of(expression, lambda name: {"Get": f"Parameters.{name}"})


def test_a_text_and_a_number_are_never_equal_without_a_word() -> None:
    from intermodal.runtime.sagemaker_local.pipeline_values import Unresolved

    condition = {"Type": "Equals", "LeftValue": {"Get": "Parameters.x"}, "RightValue": 1}
    with pytest.raises(Unresolved, match="not of the same type"):
        Values({"x": "1"}, {}, lambda _uri: {}).holds(condition)
