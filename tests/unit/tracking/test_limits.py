"""MLflow's own validators accept what `limits` makes of any name and value."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.tracking.limits import PARAMETER_LENGTH, as_text, chunks, clean_key, cut, fit


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_name_becomes_one_that_mlflow_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

    for validate in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        validate(clean_key(name))


@given(st.text(alphabet=string.ascii_letters + string.digits + "_-. :", min_size=1, max_size=60).filter(str.strip))
def test_good_names_stay_as_they_are(name: str) -> None:
    assert clean_key(f"a{name}z") == f"a{name}z"


def test_paths_in_names_stay_inside() -> None:
    assert clean_key("../../etc") == "etc"
    assert clean_key("train/loss") == "train/loss"
    assert clean_key("/") == "_"


def test_values_are_cut_with_a_note_and_short_ones_are_not() -> None:
    assert cut("short", 10) == "short"
    long = cut("x" * 7000, PARAMETER_LENGTH)
    assert len(long) == PARAMETER_LENGTH
    assert long.endswith("x … [cut: 7000 characters in all]")
    assert fit({"a b@": ["x", 1]}, 100) == {"a b_": '["x", 1]'}


def test_raw_strings_are_not_quoted_and_others_are_json() -> None:
    assert as_text("it's") == "it's"
    assert [as_text(value) for value in (5, 0.5, True, None, {"b": 1, "a": 2})] == [
        "5",
        "0.5",
        "true",
        "null",
        '{"a": 2, "b": 1}',
    ]


def test_chunks_cover_everything_once() -> None:
    assert [list(piece) for piece in chunks(list(range(7)), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks([], 3)) == []
