"""The pure parts of what the local SageMaker hosts: records, JSONPaths, shifts of traffic, capture lines."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.aws.deployment import Rollout
from intermodal.aws.endpoints import deployment_config
from intermodal.runtime.sagemaker_local.capture import Exchange, object_name, record
from intermodal.runtime.sagemaker_local.hosting import Reply
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.records_of import batches, filtered, join, parse, split_records, unparse
from intermodal.runtime.sagemaker_local.rollout import alarms_of, shifts_of

MEGABYTE = 1024 * 1024


@given(
    records=st.lists(st.integers(1, MEGABYTE).map(lambda size: b"x" * size), max_size=12),
    strategy=st.sampled_from(["SingleRecord", "MultiRecord"]),
    megabytes=st.integers(0, 3),
)
def test_batches_hold_every_record_once_in_order_and_no_more_than_allowed(records, strategy, megabytes):
    made = list(batches(records, strategy, megabytes))
    assert [item for batch in made for item in batch] == records
    assert all(batch for batch in made)
    if strategy == "SingleRecord":
        assert all(len(batch) == 1 for batch in made)
    if megabytes:
        assert all(sum(map(len, batch)) <= megabytes * MEGABYTE for batch in made)


def test_a_record_that_is_too_large_is_refused():
    with pytest.raises(ApiError, match="exceeds MaxPayloadInMB 1"):
        list(batches([b"x" * (MEGABYTE + 1)], "MultiRecord", 1))


def test_a_file_is_one_record_or_its_lines():
    assert split_records(b"a\r\nb\n\nc", "Line") == [b"a", b"b", b"c"]
    assert split_records(b"a\nb", "None") == [b"a\nb"]
    with pytest.raises(ApiError, match="RecordIO"):
        split_records(b"", "RecordIO")


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"a": 1, "b": {"c": 2}}, "$", {"a": 1, "b": {"c": 2}}),
        ({"a": 1, "b": {"c": 2}}, "$.b.c", 2),
        ({"a": 1, "b": 2, "d": 4}, "$['a','d']", {"a": 1, "d": 4}),
        ({"a": 1}, "$['a']", 1),
        (["x", "y", "z"], "$[1:]", ["y", "z"]),
        (["x", "y", "z"], "$[:-1]", ["x", "y"]),
        (["x", "y", "z"], "$[0,2]", ["x", "z"]),
        (["x", "y", "z"], "$[-1]", "z"),
    ],
)
def test_a_path_selects(value: Any, path: str, expected: Any):
    assert filtered(value, path) == expected


@pytest.mark.parametrize("path", ["a", "$..a", "$.nobody", "$[9]", "$[?(@.a)]"])
def test_a_path_that_selects_nothing_or_is_not_understood_is_refused(path: str):
    with pytest.raises(ApiError):
        filtered({"a": 1}, path)


def test_answers_stand_beside_their_inputs():
    assert join({"row": 1}, {"rating": 5}) == {"row": 1, "SageMakerOutput": {"rating": 5}}
    assert join(["a", "b"], 0.5) == ["a", "b", 0.5]
    assert unparse(parse(b'1,"a, b"', "text/csv"), "text/csv") == b'1,"a, b"'
    with pytest.raises(ApiError, match="Unable to parse"):
        parse(b"{", "application/json")


@given(kind=st.sampled_from(["all_at_once", "canary", "linear"]), percent=st.integers(1, 50), wait=st.integers(0, 3600))
def test_traffic_shifts_only_forwards_and_to_the_end(kind, percent, wait):
    rollout = Rollout(kind, percent, wait, ("errors",))
    config = deployment_config(rollout)
    shares = [item.percent for item in shifts_of(config)]
    assert shares == sorted(set(shares))
    assert shares[-1] == 100
    assert {item.seconds for item in shifts_of(config)} == {wait}
    assert len(shares) <= rollout.shifts
    assert alarms_of(config) == ["errors"]
    assert [shifts_of(None)[0].percent, alarms_of(None)] == [100, []]


def test_what_no_header_calls_text_is_captured_as_base64():
    wanted = {
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"], "CsvContentTypes": ["text/csv"]},
    }
    reply = Reply(200, {"content-type": "application/x-npy"}, b"\x93NUMPY")
    when = datetime(2026, 3, 4, 5, 6, 7, 89_000, UTC)
    made = record(wanted, Exchange("e", "v", b"1,2", "text/csv; charset=utf-8", reply), when)
    assert made["captureData"]["endpointInput"]["encoding"] == "CSV"
    answer = made["captureData"]["endpointOutput"]
    assert (answer["encoding"], base64.b64decode(answer["data"])) == ("BASE64", b"\x93NUMPY")
    assert made["eventMetadata"]["inferenceTime"] == "2026-03-04T05:06:07Z"
    assert object_name(when).startswith("2026/03/04/05/06-07-089-")
    wanted = {"CaptureOptions": [{"CaptureMode": "Output"}]}
    assert list(record(wanted, Exchange("e", "v", b"", "text/csv", reply), when)["captureData"]) == ["endpointOutput"]
