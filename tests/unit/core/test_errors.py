"""Errors answer four questions, cross process boundaries, and carry the promised exit codes."""

from __future__ import annotations

import pickle

import pytest

from intermodal import errors
from intermodal.errors import IntermodalError, from_json

CODES = {
    "IntermodalError": 5,
    "UsageError": 2,
    "DataRejected": 3,
    "StepFailed": 4,
    "RuntimeFailed": 5,
    "StoreFailed": 5,
    "ArtifactCorrupt": 5,
    "Interrupted": 130,
}


def test_every_class_has_its_promised_exit_code():
    found = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    own = {name: kind.exit_code for name, kind in found.items() if issubclass(kind, IntermodalError)}
    assert own == CODES


@pytest.mark.parametrize("name", CODES)
def test_an_error_survives_json_and_a_process_boundary(name: str):
    error = getattr(errors, name)("it failed", seen=7, expected="8", next_step="add one")
    for again in (from_json(error.to_json()), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.to_json() == error.to_json()


def test_an_unknown_kind_is_a_failed_step():
    error = from_json({"kind": "Novel", "headline": "h", "seen": "", "expected": "", "next": ""})
    assert type(error) is errors.StepFailed


def test_the_text_leaves_out_what_is_not_known():
    assert str(errors.UsageError("h")) == "h"
    assert str(errors.UsageError("h", seen=0, next_step="n")) == "h\n  seen: 0\n  next: n"
