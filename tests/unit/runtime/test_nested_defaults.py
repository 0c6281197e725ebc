"""Defaults that are mappings of mappings: written in one order, whatever order protobuf holds them in."""

from __future__ import annotations

from intermodal.runtime.compiled import in_order, sorted_keys
from intermodal.runtime.generated import _text

ONE = {"b": {"z": 1.0, "a": [{"y": 2, "x": 1}]}, "a": {"n": 3}}
OTHER = {"a": {"n": 3}, "b": {"a": [{"x": 1, "y": 2}], "z": 1.0}}


def test_the_opening_comment_of_a_compiled_pipeline_is_the_same_each_time() -> None:
    texts = {in_order(f"# Inputs:\n#    ranges: dict [Default: {value}]\ncomponents:\n") for value in (ONE, OTHER)}
    (text,) = texts
    assert "{'a': {'n': 3}, 'b': {'a': [{'x': 1, 'y': 2}], 'z': 1.0}}" in text


def test_the_default_of_an_mlproject_is_the_same_each_time() -> None:
    assert _text(ONE) == _text(OTHER) == '{"a": {"n": 3}, "b": {"a": [{"x": 1, "y": 2}], "z": 1.0}}'


def test_values_stay_what_they_are() -> None:
    assert sorted_keys(ONE) == ONE
    assert sorted_keys([3, "a", None]) == [3, "a", None]
