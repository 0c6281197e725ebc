"""Small parts of the local SageMaker, each on its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from intermodal.runtime.sagemaker_local import namespaces, operations
from intermodal.runtime.sagemaker_local.answers import Tags, page, present, select
from intermodal.runtime.sagemaker_local.channels import Item, share_of
from intermodal.runtime.sagemaker_local.folders import host_address
from intermodal.runtime.sagemaker_local.images import Images, own_name
from intermodal.runtime.sagemaker_local.metrics import Metrics
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.pipes import record
from intermodal.runtime.sagemaker_local.prefix import Prefix
from intermodal.runtime.sagemaker_local.protocol import Call, find_call, read_request, write_answer
from intermodal.runtime.sagemaker_local.records import Records
from intermodal.runtime.sagemaker_local.storage_proxy import _unframed
from intermodal.runtime.sagemaker_local.syncing import Sync
from intermodal.runtime.sagemaker_local.training_inputs import groups_of
from intermodal.runtime.sagemaker_local.transfer import relative_path, safe_path, split_uri
from intermodal.runtime.sagemaker_local.wording import refusal
from local_sagemaker import client


def _request(path: str, method: str = "POST", scope: str = "", body: bytes = b"", **headers: str) -> Request:
    signed = (
        {"Authorization": f"AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/{scope}/aws4_request"} if scope else {}
    )
    return Request(EnvironBuilder(path, method=method, data=body, headers={**headers, **signed}).get_environ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'Missing required parameter in AlgorithmSpecification: "TrainingInputMode"',
            "Value null at 'algorithmSpecification.trainingInputMode' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "Tags.0.Key: 129 characters, at most 128 expected",
            "Value 129 at 'tags.1.member.key' failed to satisfy constraint: "
            "Member must have length less than or equal to 128",
        ),
        (
            "ResourceConfig.InstanceCount: 0, at least 1 expected",
            "Value 0 at 'resourceConfig.instanceCount' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            "TrainingJobName: 'a b' does not match [a-z]+",
            "Value 'a b' at 'trainingJobName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-z]+",
        ),
        ("something else", "something else"),
    ],
)
def test_refusals_are_worded_as_awss(line: str, said: str) -> None:
    error = refusal([line])
    assert error.code == "ValidationException"
    assert error.message == f"1 validation error detected: {said}"


def test_json_requests_are_found_by_target_and_read_without_nulls() -> None:
    operations.load_operations()
    body = json.dumps({"TrainingJobName": "a", "Tags": None}).encode()
    request = _request("/", body=body, **{"X-Amz-Target": "SageMaker.DescribeTrainingJob"})
    call = find_call(request)
    assert call == Call("sagemaker", "DescribeTrainingJob", {})
    assert read_request(call, request) == {"TrainingJobName": "a"}
    with pytest.raises(ApiError, match="no operation Dance"):
        read_request(Call("sagemaker", "Dance", {}), request)
    with pytest.raises(ApiError, match="SerializationException"):
        read_request(call, _request("/", body=b"{"))
    assert find_call(_request("/bucket/key", "GET", "s3")) is None


def test_rest_requests_are_found_by_path_and_read_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from intermodal.runtime.sagemaker_local import protocol

    known = {"sagemaker-runtime": ["InvokeEndpoint"], "emr-serverless": ["GetJobRun", "ListJobRuns"]}
    monkeypatch.setattr(protocol, "services", lambda: known)
    protocol._rest_routes.cache_clear()
    protocol._prefixes.cache_clear()
    try:
        request = _request(
            "/endpoints/mine%20own/invocations", scope="sagemaker", body=b"1,2", **{"Content-Type": "text/csv"}
        )
        call = find_call(request)
        assert call is not None
        assert read_request(call, request) == {"EndpointName": "mine own", "ContentType": "text/csv", "Body": b"1,2"}
        answer = write_answer(call, {"Body": b"3", "ContentType": "text/csv", "InvokedProductionVariant": "a"})
        assert (answer.get_data(), answer.content_type) == (b"3", "text/csv")
        assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "a"
        listing = _request("/applications/app/jobruns?maxResults=5&states=RUNNING", "GET", "emr-serverless")
        call = find_call(listing)
        assert call == Call("emr-serverless", "ListJobRuns", {"applicationId": "app"})
        assert read_request(call, listing) == {"applicationId": "app", "maxResults": 5, "states": ["RUNNING"]}
        assert find_call(_request("/applications/app/jobruns", "GET", "s3")) is None, "signed for another service"
    finally:
        protocol._rest_routes.cache_clear()
        protocol._prefixes.cache_clear()


def test_answers_have_times_and_bytes_as_awss() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    answer = write_answer(
        Call("sagemaker", "DescribeTrainingJob", {}),
        {"TrainingJobName": "a", "CreationTime": moment, "Unknown": 1, "FailureReason": None},
    )
    assert json.loads(answer.get_data()) == {"TrainingJobName": "a", "CreationTime": moment.timestamp()}
    assert present({"a": None, "b": 0, "c": False, "d": "", "e": [], "f": 1}) == {"b": 0, "c": False, "f": 1}


def test_a_defect_of_the_service_is_a_500_that_says_where_it_was(
    local_sagemaker: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fall(*_: Any) -> dict[str, Any]:
        raise KeyError("a defect")

    monkeypatch.setitem(operations._KNOWN, ("sagemaker", "ListTrainingJobs"), fall)
    with pytest.raises(ClientError, match="InternalFailure"):
        client().list_training_jobs()
    assert "KeyError: 'a defect'" in capsys.readouterr().err
    assert local_sagemaker.requests[-1].status == 500


def test_pages_follow_one_another_without_gap() -> None:
    first = page(list(range(5)), {"MaxResults": 2}, "Items")
    second = page(list(range(5)), {"MaxResults": 2, "NextToken": first["NextToken"]}, "Items")
    third = page(list(range(5)), {"MaxResults": 2, "NextToken": second["NextToken"]}, "Items")
    assert first["Items"] + second["Items"] + third["Items"] == list(range(5))
    assert "NextToken" not in third
    with pytest.raises(ApiError, match="NextToken"):
        page([], {"NextToken": base64.b64encode(b"[]").decode()}, "Items")


def test_summaries_without_the_member_that_is_sorted_by_come_last() -> None:
    items = [{"Name": "a", "CreationTime": 1.0}, {"Name": "b"}, {"Name": "c", "CreationTime": 2.0}]
    assert [item["Name"] for item in select(items, {}, "Name")] == ["c", "a", "b"]


def test_records_and_tags_outlive_the_process(tmp_path: Path) -> None:
    records = Records(tmp_path / "kind")
    records.put("a/b", {"x": [1]})
    found = records.get("a/b")
    assert found == {"x": [1]}
    found["x"].append(2)
    assert records.get("a/b") == {"x": [1]}, "what was given is a copy"
    assert Records(tmp_path / "kind").all() == {"a/b": {"x": [1]}}
    assert records.remove("a/b")
    assert not records.remove("a/b")
    tags = Tags(tmp_path / "tags")
    tags.put("arn", [])
    assert Tags(tmp_path / "tags").knows("arn")
    assert not tags.knows("other")


@pytest.mark.parametrize(
    ("key", "prefix", "path"),
    [
        ("data/a/b.csv", "data/", "a/b.csv"),
        ("data/a/b.csv", "data", "a/b.csv"),
        ("data/a/b.csv", "data/a/b.csv", "b.csv"),
        ("data/part-1", "data/part", "part-1"),
        ("a.csv", "", "a.csv"),
    ],
)
def test_where_an_object_of_a_prefix_lies(key: str, prefix: str, path: str) -> None:
    assert relative_path(key, prefix) == path


def test_no_key_leads_out_of_its_folder(tmp_path: Path) -> None:
    assert safe_path(tmp_path, "a/b") == tmp_path / "a/b"
    for key in ("../a", "a/../../b", "/etc/passwd"):
        with pytest.raises(ApiError, match="Invalid S3 key"):
            safe_path(tmp_path, key)
    with pytest.raises(ApiError, match="Invalid S3 URI"):
        split_uri("http://a/b")


def test_shares_are_disjoint_and_whole_and_shuffling_is_seeded() -> None:
    items = [Item("b", str(at), str(at)) for at in range(7)]
    shares = [share_of(items, at, 3, "ShardedByS3Key") for at in range(3)]
    assert sorted(item.key for share in shares for item in share) == [str(at) for at in range(7)]
    assert share_of(items, 1, 3, "FullyReplicated") == items
    shuffled = share_of(items, 0, 1, "FullyReplicated", 5)
    assert shuffled != items
    assert shuffled == share_of(items, 0, 1, "FullyReplicated", 5)


def test_instance_groups_have_hosts_of_their_own() -> None:
    groups = groups_of(
        {
            "InstanceGroups": [
                {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 1},
                {"InstanceGroupName": "b", "InstanceType": "ml.c5.large", "InstanceCount": 2},
            ]
        }
    )
    assert [group["hosts"] for group in groups] == [["algo-1"], ["algo-2", "algo-3"]]


def test_a_metric_that_is_no_number_or_no_expression_of_pythons_is_passed_over() -> None:
    metrics = Metrics(
        [{"Name": "a", "Regex": r"a=(\S+)"}, {"Name": "b", "Regex": "(?<name"}, {"Name": "c", "Regex": "c"}]
    )
    for line in ("a=1", "a=none", "a=1e-3 a=2.5", "c"):
        metrics.read(line)
    assert [(item["MetricName"], item["Value"]) for item in metrics.final()] == [("a", 2.5)]


def test_records_of_recordio_end_at_multiples_of_four() -> None:
    assert record(b"hello") == bytes.fromhex("0a23d7ce05000000") + b"hello\0\0\0"
    assert len(record(b"1234")) == 12


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("intermodal/torch:0.1.0", "intermodal/torch:0.1.0"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/intermodal/core:1", "intermodal/core:1"),
        ("registry:5000/team/intermodal/core@sha256:00", "intermodal/core@sha256:00"),
        ("python:3.11", ""),
        ("notintermodal/core:1", ""),
    ],
)
def test_which_images_are_ours(reference: str, name: str) -> None:
    assert own_name(reference) == name
    assert (Images({}).find(reference) is not None) is bool(name)


def test_a_hosts_folders_are_one_for_opt_ml_and_others_beside(tmp_path: Path) -> None:
    prefix = Prefix(tmp_path)
    assert prefix.at("/opt/ml/input/data") == prefix.mounts["/opt/ml"] / "input/data"
    aside = prefix.at("/data/mine/")
    assert prefix.mounts == {"/opt/ml": tmp_path / "opt-ml", "/data/mine": aside}
    assert prefix.read("/opt/ml/output/failure") == ""
    (prefix.at("/opt/ml/output") / "failure").write_text("é" * 2000)
    assert prefix.read("/opt/ml/output/failure") == "é" * 1024


def test_hosts_have_addresses_of_their_own() -> None:
    addresses = {host_address(at) for at in range(600)}
    assert len(addresses) == 600
    assert all(address.startswith("127.0.") and not address.endswith(".0") for address in addresses if "." in address)


def test_the_framing_of_chunks_is_taken_off() -> None:
    framed = (
        b"5;chunk-signature=ab\r\nhello\r\n6\r\n world\r\n0;chunk-signature=cd\r\nx-amz-checksum-crc32:AA==\r\n\r\n"
    )
    assert _unframed(framed) == b"hello world"


class _Bucket:
    """Notes what is uploaded."""

    def __init__(self) -> None:
        self.sent: dict[str, list[bytes]] = {}

    def upload_file(self, path: str, _bucket: str, key: str, ExtraArgs: dict[str, str]) -> None:  # noqa: N803, boto3's
        assert ExtraArgs == {}, "no key was given"
        self.sent.setdefault(key, []).append(Path(path).read_bytes())


def test_only_whole_files_are_synced_each_change_once(tmp_path: Path) -> None:
    bucket, folder = _Bucket(), tmp_path / "here"
    folder.mkdir()
    (folder / "old").write_bytes(b"came from S3")
    sync = Sync(bucket, folder, "s3://b/p", seconds=0.02).start()
    (folder / "half.tmp").write_bytes(b"half")
    (folder / ".hidden").write_bytes(b"half")
    with (folder / "growing").open("wb") as stream:
        for _ in range(30):
            stream.write(b"x" * 1000)
            stream.flush()
            time.sleep(0.005)
    (folder / "last").write_bytes(b"at the very end")
    sync.stop()
    assert set(bucket.sent) == {"p/growing", "p/last"}
    assert bucket.sent["p/growing"][-1] == b"x" * 30_000
    assert bucket.sent["p/last"] == [b"at the very end"]


@pytest.mark.parametrize("network", [True, False])
def test_namespaces_need_no_rights_and_leave_nothing_on_the_machine(
    network: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nobody where we are root, else as ourselves."""
    monkeypatch.setattr(namespaces, "_identity", lambda: ["--user", "--map-root-user"])
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    # pytest's own folders are closed to nobody.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "own").mkdir()
        for path in (folder, folder / "own"):
            path.chmod(0o777)
        (folder / "hosts").write_text("127.0.1.1 algo-1\n")
        words = namespaces.namespace_command(
            ["sh", "-c", "hostname; cat /etc/hosts; echo $$; echo kept > /opt/intermodal-tests/x/file"],
            mounts={"/opt/intermodal-tests/x": folder / "own"},
            hostname="algo-1",
            hosts_file=folder / "hosts",
            directory="/",
            network=network,
        )
        environment = {"PATH": os.environ["PATH"], **({} if network else {"ISOLATED": "1"})}
        done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd="/", **nobody)
        if "Operation not permitted" in done.stderr:
            pytest.skip(f"this machine lets nobody make namespaces: {done.stderr}")
        assert done.stdout.splitlines()[:3] == ["algo-1", "127.0.1.1 algo-1", "1"], done.stderr
        assert (folder / "own" / "file").read_text() == "kept\n"
    assert not Path("/opt/intermodal-tests").exists()
