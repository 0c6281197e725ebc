"""Verbs that need an AWS account and have none: one error at once, which says what to mend."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from intermodal.aws import client
from intermodal.cli.main import main
from launching import pipeline

BATCH = str(Path(__file__).resolve().parents[3] / "pipelines" / "batch.py")
NOBODY = "http://127.0.0.1:1"  # tcpmux: no machine of today listens there
ON_SAGEMAKER = ("run", pipeline("short", "cli_pipelines.py"), "--on", "sagemaker", "-p", "source=x")
VERBS = [
    ON_SAGEMAKER,
    ("endpoint", "list"),
    ("endpoint", "delete", "reviews"),
    ("model-package", "list", "reviews"),
    ("reap",),
    ("aws", "init"),
]


@pytest.fixture
def account(home, monkeypatch, tmp_path):
    """Set variables of AWS where no file of this machine counts, and nothing is remembered."""
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def have(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    client.renew_clients()
    yield have
    client.renew_clients()


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_without_credentials_nobody_is_asked_again_and_again(account, cli, words, monkeypatch):
    real, here = time.sleep, threading.current_thread()

    def sleep(seconds: float) -> None:
        if threading.current_thread() is here:  # threads that other tests left may sleep
            pytest.fail(f"waited {seconds} s")
        real(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    said = cli(*words)
    assert said.code == 5
    assert said.err.count("error: ") == 1 and "warning" not in said.err
    assert "Unable to locate credentials" in said.err and "aws configure" in said.err


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_an_address_at_which_nobody_answers_is_not_taken_for_missing_credentials(account, cli, words):
    account(AWS_ENDPOINT_URL=NOBODY, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
    said = cli(*words)
    assert said.code == 5
    assert f'Could not connect to the endpoint URL: "{NOBODY}/"' in said.err
    assert "AWS_ENDPOINT_URL" in said.err and "credentials" not in said.err


@pytest.mark.parametrize("words", [*VERBS, ("aws", "doctor")], ids=" ".join)
def test_an_address_without_a_scheme_is_one_clear_error(account, cli, words):
    account(AWS_ENDPOINT_URL="127.0.0.1:4566", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
    said = cli(*words)
    assert said.code == (5 if words == ("aws", "doctor") else 2)
    told = said.out + said.err
    assert "Invalid endpoint: 127.0.0.1:4566" in told and "http://127.0.0.1:4566" in told


def test_a_store_on_s3_without_a_scheme_in_its_address_is_one_clear_error(account, cli, ran):
    account(AWS_ENDPOINT_URL="127.0.0.1:9000", INTERMODAL_STORE="s3://mine/store")
    account(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
    said = cli("run", pipeline("short", "cli_pipelines.py"), "-q", "--debug", "-p", f"source={ran.source}")
    assert said.code == 2
    assert "Invalid endpoint: 127.0.0.1:9000" in said.err


def test_a_plan_for_an_account_that_does_not_answer_asks_no_store(account, capfd):
    account(AWS_ENDPOINT_URL=NOBODY, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
    assert main(["plan", BATCH, "--on", "sagemaker"]) == 0
    said = capfd.readouterr()
    assert "every task counts as new" in said.err
    assert "it would fail" not in said.out and "this step has not run yet" in said.out
