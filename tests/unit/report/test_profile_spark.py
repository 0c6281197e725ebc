"""Where Spark reads from, and what is told where there is no Spark; its counts are compared in an end-to-end test."""

from __future__ import annotations

import pytest

from intermodal.errors import RuntimeFailed, UsageError
from intermodal.report import profile_spark
from intermodal.report.profile_spark import files_for, profile_with_spark
from intermodal.report.profile_sql import SPARK, questions

STORE = "s3://bucket/artifacts/ingest/1/reviews"


@pytest.mark.parametrize(
    ("master", "place"),
    [
        ("local[*]", "file:///data/it's"),
        ("local[2]", "file:///data/it's"),
        ("k8s://https://10.0.0.1:443", STORE),
        ("yarn", STORE),
    ],
)
def test_executors_elsewhere_read_the_store_and_a_local_session_its_own_files(master: str, place: str) -> None:
    assert files_for(master, "/data/it's", STORE) == place


def test_executors_that_cannot_see_the_files_are_told() -> None:
    with pytest.raises(RuntimeFailed, match="cannot see"):
        files_for("yarn", "/data", "")


def test_without_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_spark.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(profile_spark.shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UsageError, match="needs Java") as caught:
        profile_with_spark("/data", "", 3)
    assert "openjdk" in caught.value.next_step


def test_without_spark_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_spark.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs Spark") as caught:
        profile_with_spark("/data", "", 3)
    assert "intermodal[spark]" in caught.value.next_step


def test_names_and_texts_are_quoted_as_spark_reads_them() -> None:
    asked = questions("`reviews`", {"it`s": "string", "review_body": "string"}, 3, SPARK)
    assert "`it``s` IS NULL" in asked["columns"]
    assert "'yyyy-MM'" in asked["cube"]
    assert "size(regexp_extract_all(" in asked["words"]
    assert "NULLS LAST" in asked["products"]
