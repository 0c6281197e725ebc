"""Every name of a nested document is found once, outside before inside."""

from __future__ import annotations

from intermodal.core.nested import members


def test_names_are_found_at_every_depth() -> None:
    document = {"a": {"b": [1, {"c": 2}]}, "d": [[{"b": 3}]], "e": "f"}
    found = list(members(document))
    assert [name for name, _ in found] == ["a", "b", "c", "d", "b", "e"]
    assert found[-1] == ("e", "f")
    assert [value for name, value in found if name == "b"] == [[1, {"c": 2}], 3]


def test_plain_values_have_no_names() -> None:
    assert list(members([1, "text", None])) == []
