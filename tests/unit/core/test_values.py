"""A value has one form, whatever door it came through."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kfp.compiler.pipeline_spec_builder import to_protobuf_value
from kfp.local.executor_output_utils import pb2_value_to_python

from intermodal.core.step import Parameter
from intermodal.core.values import canonical, from_text
from intermodal.errors import UsageError

SAFE = 2**53
whole = st.integers(-SAFE, SAFE)
finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.booleans() | whole | finite | text
nested = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=12)
KINDS = {
    str: text,
    int: whole,
    float: finite,
    bool: st.booleans(),
    list: st.lists(nested),
    dict: st.dictionaries(text, nested),
}


def through_kfp(value: object) -> object:
    """A value as it arrives through KFP: every number a double."""
    return pb2_value_to_python(to_protobuf_value(value))


def typed(value: object) -> str:
    """A value as it would be typed."""
    return value if isinstance(value, str) else json.dumps(value)


@st.composite
def parameters(draw):
    """A declared parameter and a value of its type."""
    kind = draw(st.sampled_from(sorted(KINDS, key=str)))
    return Parameter("p", kind, None, True), draw(KINDS[kind])


@given(parameters())
def test_every_door_gives_the_same_value_of_the_declared_type(case):
    parameter, value = case
    direct = canonical(parameter, value)
    assert type(direct) is parameter.type
    for arrived in (through_kfp(value), from_text("p", parameter.type, typed(value)), through_kfp(direct), direct):
        again = canonical(parameter, arrived)
        assert json.dumps(again, sort_keys=True) == json.dumps(direct, sort_keys=True)


@given(st.lists(whole.map(float) | finite))
def test_a_list_of_floats_stays_one(values):
    parameter = Parameter("p", list, None, True, element=float)
    for arrived in (values, [int(item) if item == int(item) else item for item in values], through_kfp(values)):
        found = canonical(parameter, arrived)
        assert found == values
        assert all(type(item) is float for item in found)


@given(st.lists(whole))
def test_a_list_of_whole_numbers_stays_one(values):
    parameter = Parameter("p", list, None, True, element=int)
    found = canonical(parameter, through_kfp(values))
    assert found == values
    assert all(type(item) is int for item in found)


def test_true_is_no_number_and_one_is_no_truth():
    assert canonical(Parameter("p", list, None, True), [True, 1, 1.0, "1"]) == [True, 1, 1, "1"]
    assert canonical(Parameter("p", list, None, True), [True])[0] is True
    for kind, value in ((int, True), (float, True), (bool, 1), (bool, "true"), (str, 1), (int, "1"), (int, 1.5)):
        with pytest.raises(UsageError, match="parameter p has the wrong type"):
            canonical(Parameter("p", kind, None, True), value)


def test_none_stands_for_nothing_given():
    for kind in KINDS:
        assert canonical(Parameter("p", kind, None, False), None) is None


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        (str, "7", "7"),
        (str, "", ""),
        (int, "-7", -7),
        (float, "7", 7.0),
        (float, "1e-3", 0.001),
        (bool, "Yes", True),
        (bool, "0", False),
        (list, "[1, 2]", [1, 2]),
        (dict, '{"a": [1]}', {"a": [1]}),
    ],
)
def test_text_of_each_type(kind, typed, value):
    found = from_text("p", kind, typed)
    assert found == value
    assert type(found) is kind


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        (int, "seven"),
        (int, "7.5"),
        (int, ""),
        (float, "a"),
        (bool, "maybe"),
        (list, "1, 2"),
        (list, '{"a": 1}'),
        (list, '"text"'),
        (dict, "[]"),
        (dict, "null"),
        (list, "[" * 100_000),
    ],
)
def test_text_of_the_wrong_type_is_one_clear_error(kind, typed):
    with pytest.raises(UsageError, match="parameter p has the wrong type") as caught:
        from_text("p", kind, typed)
    assert caught.value.seen == repr(typed)
    assert caught.value.expected
    assert caught.value.exit_code == 2


def test_a_null_inside_a_value_is_refused_at_every_door():
    for kind, arrived in ((list, [None]), (dict, {"a": [1, None]})):
        with pytest.raises(UsageError, match="holds a null"):
            canonical(Parameter("p", kind, None, True), arrived)
        with pytest.raises(UsageError, match="holds a null"):
            from_text("p", kind, json.dumps(arrived))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_kfp_cannot_carry_is_refused_at_every_door(value):
    for kind, arrived in ((float, value), (list, [1, [value]]), (dict, {"a": {"b": value}})):
        with pytest.raises(UsageError, match="not finite"):
            canonical(Parameter("p", kind, None, True), arrived)
        with pytest.raises(UsageError, match="not finite"):
            from_text("p", kind, json.dumps(arrived))


def test_a_number_that_a_double_would_change_is_refused():
    assert canonical(Parameter("p", int, None, True), SAFE) == SAFE
    for kind, value in ((int, SAFE + 1), (list, [SAFE + 1]), (int, -SAFE - 1), (dict, {"a": 10**400})):
        with pytest.raises(UsageError, match="too large for KFP"):
            canonical(Parameter("p", kind, None, True), value)
    with pytest.raises(UsageError, match="too large for KFP"):
        from_text("p", int, str(10**30 + 1))
