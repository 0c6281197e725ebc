"""The flags about cost and leftovers: refused when they make no sense, before anything is asked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from intermodal.cli.reap import age_of
from intermodal.cli.run import limit_of
from intermodal.errors import UsageError
from launching import pipeline

BATCH = str(Path(__file__).resolve().parents[3] / "pipelines" / "batch.py")
LINES = pipeline("short", "cli_pipelines.py")


@pytest.mark.parametrize(("text", "amount"), [("", 0.0), ("2.50", 2.5), ("$3", 3.0)])
def test_a_limit_of_cost(text, amount):
    assert limit_of(text) == amount


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "cheap"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(UsageError, match="amount of USD"):
        limit_of(text)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("", None),
        ("90", timedelta(seconds=90)),
        ("90m", timedelta(minutes=90)),
        ("1.5h", timedelta(hours=1.5)),
        ("2d", timedelta(days=2)),
    ],
)
def test_an_age(text, age):
    assert age_of(text) == age


def test_a_limit_for_a_run_without_sagemaker_is_refused(home, cli):
    said = cli("run", LINES, "--max-cost", "1", "-p", "source=x")
    assert said.code == 2
    assert "--max-cost is for runs that use SageMaker" in said.err


def test_a_runtime_without_a_plan_is_refused(home, cli):
    said = cli("plan", LINES, "--on", "moon")
    assert said.code == 2
    assert "local, sagemaker" in said.err


def test_a_plan_on_sagemaker_needs_no_credentials(home, cli, monkeypatch, tmp_path):
    monkeypatch.setenv("INTERMODAL_AWS_ACCOUNT", "123456789012")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    said = cli("plan", BATCH, "--on", "sagemaker")
    assert said.code == 0, said.err
    assert "1 × ml." in said.out and "at most $" in said.out and "total" in said.out
    assert "prices of" in said.out and "us-east-1" in said.out
    assert "every task counts as new" in said.err


def test_a_place_may_be_planned_as_well(home, cli, monkeypatch):
    monkeypatch.setenv("INTERMODAL_AWS_ACCOUNT", "123456789012")
    said = cli("plan", BATCH, "--place", "ingest=sagemaker", "--json")
    assert said.code == 0, said.err
    assert [item["task"] for item in said.json["cost"]["tasks"]] == ["ingest"]


def test_an_account_that_is_none_is_refused(home, cli, monkeypatch):
    monkeypatch.setenv("INTERMODAL_AWS_ACCOUNT", "12")
    said = cli("aws", "init", "--dry-run")
    assert said.code == 2
    assert "twelve digits" in said.err


@pytest.mark.parametrize("words", [["aws"], ["aws", "nothing"], ["aws", "iam-policy"]])
def test_half_a_command_is_refused(home, cli, words):
    assert cli(*words).code == 2
