"""Runs whose artifacts live in S3, on a real S3 server; and another machine going on with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from launching import TESTS, intermodal
from seaweedfs import Bucket

ROOT = TESTS.parent

PIPELINE = str(ROOT / "pipelines" / "reviews.py")
WORDS = ("-p", "rows=1500", "-p", "framework=baseline", "--json")


def test_the_flagship_on_s3_and_again_from_another_machine(s3: Bucket, home: Path, tmp_path: Path) -> None:
    environment = {"INTERMODAL_STORE": f"{s3.uri}/lake", "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    first = intermodal("run", PIPELINE, *WORDS, **environment)
    assert first.code == 0, first.err[-2000:]
    assert all(item["uri"].startswith(f"{s3.uri}/lake/artifacts/") for item in first.json["artifacts"].values())
    other = intermodal("run", PIPELINE, *WORDS, **environment, INTERMODAL_HOME=str(tmp_path / "other"))
    assert other.code == 0, other.err[-2000:]
    assert {task["state"] for task in other.json["tasks"]} == {"CACHED", "SKIPPED"}
    digests = {name: item["digest"] for name, item in first.json["artifacts"].items()}
    assert {name: item["digest"] for name, item in other.json["artifacts"].items()} == digests
    assert intermodal("verify", "--all", **environment).code == 0
    assert "generate" in intermodal("lineage", "baseline.model", **environment).out


def test_reviews_are_read_from_s3(s3: Bucket, home: Path, tmp_path: Path) -> None:
    made = intermodal("step", "generate", "--rows", "800", "--defects", "{}", "--json")
    raw = next(Path(made.json["artifacts"]["generate.raw"]["uri"]).glob("*.tsv.gz"))
    uri = s3.put("raw/reviews.tsv.gz", raw.read_bytes())
    here = intermodal("step", "ingest", "--source", str(raw), "--json")
    there = intermodal("step", "ingest", "--source", uri, "--json")
    assert there.code == 0, there.err
    assert there.json["artifacts"]["ingest.reviews"]["digest"] == here.json["artifacts"]["ingest.reviews"]["digest"]
    assert intermodal("step", "ingest", "--source", uri, "--json").json["tasks"][0]["state"] == "CACHED"
    s3.put("raw/reviews.tsv.gz", raw.read_bytes()[:-40])
    changed = intermodal("step", "ingest", "--source", uri, "--json")
    assert changed.code == 3, "a cut file in S3 is neither served from the cache nor accepted"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("INTERMODAL_STORE", "s3://nowhere"),
    ],
)
def test_a_store_that_does_not_answer_is_one_clear_error(s3: Bucket, home: Path, variable: str, value: str) -> None:
    environment = {"INTERMODAL_STORE": f"{s3.uri}/lake", variable: value}
    answer = intermodal("step", "toy_steps:make", **environment)
    assert answer.code == 5
    assert "Traceback" not in answer.err
    assert "store could not" in answer.err
    assert "next:" in answer.err
