"""A task's cache key does not depend on the door its values came through; nor on KFP's own additions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kfp.compiler.pipeline_spec_builder import to_protobuf_value
from kfp.local.executor_output_utils import pb2_value_to_python

import toy_steps
from intermodal.core.config import load_settings
from intermodal.core.executor_input import parse
from intermodal.core.step import spec_of
from intermodal.core.values import from_text
from intermodal.errors import ArtifactCorrupt, UsageError
from intermodal.runtime.keys import complete_parameters, declared_parameters, key_parts

whole = st.integers(-(2**53), 2**53)
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def key(function, parameters: dict[str, object], **inputs: str) -> str:
    """The key of a task given these values by KFP."""
    artifacts = {name: {"artifacts": [{"uri": uri}]} for name, uri in inputs.items()}
    text = json.dumps(
        {"inputs": {"parameterValues": parameters, "artifacts": artifacts}, "outputs": {"outputFile": "/x"}}
    )
    return key_parts(spec_of(function), parse(text), load_settings()).key


def through_kfp(values: dict[str, object]) -> dict[str, object]:
    return {name: pb2_value_to_python(to_protobuf_value(value)) for name, value in values.items()}


def typed(function, values: dict[str, object]) -> dict[str, object]:
    spec = spec_of(function)
    return {
        name: from_text(name, spec.parameter(name).type, value if isinstance(value, str) else json.dumps(value))
        for name, value in values.items()
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(whole | finite, min_size=1),
    st.dictionaries(texts, whole | finite, max_size=3),
    texts,
)
def test_a_python_call_kfp_and_the_command_line_give_one_key(values, options, label):
    given_values = {"values": values, "options": options, "label": label}
    keys = {
        key(toy_steps.summarise, given_values),
        key(toy_steps.summarise, through_kfp(given_values)),
        key(toy_steps.summarise, typed(toy_steps.summarise, given_values)),
        key(toy_steps.summarise, through_kfp(typed(toy_steps.summarise, given_values))),
    }
    assert len(keys) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(whole, min_size=1), st.lists(whole, min_size=1))
def test_different_values_have_different_keys(one, other):
    first, second = (key(toy_steps.add, through_kfp({"values": values})) for values in (one, other))
    assert (first == second) == (one == other)


def test_a_default_and_the_same_value_given_are_one_key():
    assert key(toy_steps.make, {}) == key(toy_steps.make, {"n": 3.0}) == key(toy_steps.make, {"n": 3, "seconds": 0})
    assert key(toy_steps.make, {}) != key(toy_steps.make, {"n": 4})


def test_texts_of_outputs_inside_a_list_count_as_numbers():
    assert key(toy_steps.add, {"values": ["1", "2"]}) == key(toy_steps.add, {"values": [1, 2.0]})
    with pytest.raises(UsageError, match="parameter values has the wrong type"):
        key(toy_steps.add, {"values": ["one"]})


def test_what_kfp_adds_does_not_count():
    assert key(toy_steps.say, {"text": "x", "pipelinechannel--make-Output": 7}) == key(toy_steps.say, {"text": "x"})
    given_values = {"folder": "", "status": {"state": "SUCCEEDED"}}
    assert key(toy_steps.closing, given_values) == key(toy_steps.closing, {"folder": ""})


def test_data_behind_a_parameter_counts_and_its_place_does_not(tmp_path: Path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.txt").write_text("1\n")
    keys = [key(toy_steps.count_lines, {"source": str(tmp_path / name / "data.txt")}) for name in ("here", "there")]
    assert keys[0] == keys[1]
    (tmp_path / "here" / "data.txt").write_text("2\n")
    assert key(toy_steps.count_lines, {"source": str(tmp_path / "here" / "data.txt")}) != keys[0]


def test_the_content_of_an_input_counts_and_its_place_does_not(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_text("1\n")
    keys = [key(toy_steps.total, {}, parts=str(tmp_path / name / "data")) for name in ("a", "b")]
    assert keys[0] == keys[1]
    (tmp_path / "a" / "data").write_text("2\n")
    assert key(toy_steps.total, {}, parts=str(tmp_path / "a" / "data")) != keys[0]
    with pytest.raises(ArtifactCorrupt):
        key(toy_steps.total, {}, parts=str(tmp_path / "nothing"))


def test_parameters_are_completed_and_checked():
    spec = spec_of(toy_steps.summarise)
    assert complete_parameters(spec, {"values": [1], "options": {}}) == {"values": [1.0], "options": {}, "label": ""}
    with pytest.raises(UsageError, match="misses a parameter") as caught:
        complete_parameters(spec, {"values": [1]})
    assert caught.value.expected == "options"
    with pytest.raises(UsageError, match="no parameter of that name"):
        complete_parameters(spec, {"values": [1], "options": {}, "lable": "x"})


def test_only_declared_parameters_are_passed_on():
    task = parse(
        json.dumps({"inputs": {"parameterValues": {"text": "x", "other": 1}}, "outputs": {"outputFile": "/x"}})
    )
    assert declared_parameters(spec_of(toy_steps.say), task) == {"text": "x"}
