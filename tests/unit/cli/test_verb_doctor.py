"""`intermodal doctor` says what is there and what is missing, and how to get that."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from intermodal.cli import packages, reachable
from launching import PATIENCE

DOORS = ["local", "store", "mlflow", "containers", "torch", "s3", "kubeflow", "sagemaker", "spark"]


@contextmanager
def answering(answers: dict[str, tuple[int, object]]) -> Iterator[int]:
    """A server on loopback that answers by the end of the path; its port."""

    none = (404, {"message": "there is none"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = next((found for end, found in answers.items() if self.path.endswith(end)), none)
            content = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """What answers is waited for, however busy this machine is."""
    monkeypatch.setattr(reachable, "_TIMEOUT", PATIENCE)


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def doors(said) -> dict[str, dict[str, str]]:
    return {item["door"]: item for item in said.json["doors"]}


def test_every_door_is_told_and_the_local_one_is_usable(home, cli):
    said = cli("doctor", "--json")
    assert said.code == 0
    assert said.json["local_usable"]
    found = doors(said)
    assert list(found) == DOORS
    assert found["local"]["state"] == "ok"
    assert "kfp 2.17" in found["local"]["detail"]
    assert found["mlflow"] == {"door": "mlflow", "state": "ok", "detail": "tracking is switched off", "get": ""}
    text = cli("doctor")
    assert text.code == 0
    assert [line.split()[1] for line in text.out.splitlines() if line[0] in "✔✘–"] == DOORS


def test_a_kubeflow_server_is_asked(home, cli, monkeypatch):
    assert "nobody said where" in doors(cli("doctor", "--json"))["kubeflow"]["detail"]
    for answer, state, part in (
        ((200, {"multi_user": False}), "ok", "http://127.0.0.1"),
        ((200, {"multi_user": True}), "missing", "namespace"),
        ((401, {"message": "who are you?"}), "missing", "who are you?"),
        ((503, {}), "missing", "does not answer"),
    ):
        if part == "does not answer":  # asked again until its time is over
            monkeypatch.setattr(reachable, "_TIMEOUT", 2.0)
        with answering({"healthz": answer}) as port:
            monkeypatch.setenv("KF_PIPELINES_ENDPOINT", f"http://127.0.0.1:{port}")
            found = doors(cli("doctor", "--json"))["kubeflow"]
        assert found["state"] == state
        assert part in found["detail"]


class TestSageMaker:
    def test_without_credentials_nothing_is_asked(self, home, cli, monkeypatch):
        import boto3

        monkeypatch.setattr(boto3.Session, "client", lambda *_, **__: pytest.fail("AWS was asked"))
        found = doors(cli("doctor", "--json"))["sagemaker"]
        assert found["state"] == "missing"
        assert (found["detail"], found["get"].split(",")[0]) == ("no AWS credentials were found", "aws configure")

    def test_an_account_that_does_not_answer_is_told_soon(self, home, cli, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        found = doors(cli("doctor", "--json"))["sagemaker"]
        assert found["state"] == "missing"
        assert "credentials: EndpointConnectionError" in found["detail"]

    def test_a_wrong_section_is_told(self, home, cli):
        (home.parent / "work" / "intermodal.toml").write_text("[sagemaker]\nregio = 1\n")
        found = doors(cli("doctor", "--json"))["sagemaker"]
        assert "no such key" in found["detail"]


def test_looking_writes_nothing(home, cli):
    cli("doctor")
    assert not home.exists()


def test_a_home_that_cannot_be_used_is_exit_code_5(home, cli, monkeypatch):
    home.write_text("a file")
    said = cli("doctor", "--json")
    assert said.code == 5
    assert doors(said)["local"] == {
        "door": "local",
        "state": "missing",
        "detail": f"{home} cannot be written",
        "get": "export INTERMODAL_HOME=DIRECTORY",
    }
    assert "cannot run on this machine" in cli("doctor").out


def test_a_full_disk_is_exit_code_5(home, cli, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 10**10 - 5000, 5000))
    said = cli("doctor", "--json")
    assert said.code == 5
    assert "only 5.0 kB free" in doors(said)["local"]["detail"]


def test_packages_that_are_absent_or_too_old(home, cli, monkeypatch):
    known = packages._version
    changed = {"torch": "", "boto3": "1.9.0"}
    monkeypatch.setattr(packages, "_version", lambda name: changed.get(name, known(name)))
    found = doors(cli("doctor", "--json"))
    assert found["torch"]["state"] == "missing"
    assert found["torch"]["detail"] == "packages: torch==2.13.0"
    assert found["s3"]["detail"] == "packages: boto3>=1.44 (found 1.9.0)"
    command = shlex.split(found["torch"]["get"])
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[-1].endswith("[torch]")


def test_a_package_that_every_run_needs_is_exit_code_5(home, cli, monkeypatch):
    known = packages._version
    monkeypatch.setattr(packages, "_version", lambda name: "" if name == "duckdb" else known(name))
    said = cli("doctor", "--json")
    assert said.code == 5
    assert "duckdb" in doors(said)["local"]["detail"]


def test_requirements_come_from_our_own_metadata():
    assert packages.missing("") == []
    assert packages.missing("no-such-extra") == []
    wanted = {re.split("[=<>]", item)[0] for item in _all_missing("torch")}
    assert {"torch", "transformers", "safetensors"} <= wanted
    assert "kfp" not in wanted


def _all_missing(extra: str) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "_version", lambda name: "")
        return packages.missing(extra)


def test_an_engine_without_images_and_with(home, cli, monkeypatch):
    monkeypatch.delenv("DOCKER_HOST")
    version = {"Version": "27.0.1", "ApiVersion": "1.46", "MinAPIVersion": "1.24"}
    engine = {"/_ping": (200, "OK"), "/version": (200, version)}
    with answering(engine) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        found = doors(cli("doctor", "--json"))["containers"]
        assert found["state"] == "missing"
        assert "engine 27.0.1 answers, but there is no image intermodal/core:0.1.0" in found["detail"]
        assert "docker build" in found["get"]
    with answering({**engine, "/json": (200, {"Id": "sha256:1"})}) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert doors(cli("doctor", "--json"))["containers"]["state"] == "ok"


def test_no_engine(home, cli):
    found = doors(cli("doctor", "--json"))["containers"]
    assert found["state"] == "missing"
    assert "tcp://127.0.0.1:9" in found["detail"]
    assert "docker" in found["get"]


@pytest.mark.parametrize(
    ("uri", "state", "told"),
    [
        ("http://127.0.0.1:9", "missing", "does not answer"),
        ("postgresql://user:secret@127.0.0.1:9/mlflow", "missing", "127.0.0.1:9"),
        ("file:///tmp/mlruns", "missing", "no files any more"),
        ("sqlite:////dev/null/mlflow.db", "missing", "cannot be written"),
        ("sqlite:///here.db", "ok", "sqlite:///here.db"),
    ],
)
def test_tracking(home, cli, monkeypatch, uri, state, told):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    said = cli("doctor", "--json")
    found = doors(said)["mlflow"]
    assert found["state"] == state
    assert told in found["detail"]
    assert "secret" not in said.out
    assert said.code == 0  # a run goes on without MLflow


def test_a_tracking_server_that_answers_or_refuses(home, cli, monkeypatch):
    with answering({"/health": (200, "OK")}) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        assert doors(cli("doctor", "--json"))["mlflow"]["state"] == "ok"
    with answering({"/health": (401, "no")}) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}/")
        found = doors(cli("doctor", "--json"))["mlflow"]
        assert found["state"] == "missing"
        assert "401" in found["detail"]


class TestStoreInABucket:
    def test_a_bucket_that_is_there(self, home, cli, s3, monkeypatch):
        monkeypatch.setenv("INTERMODAL_STORE", f"{s3.uri}/store")
        said = cli("doctor", "--json")
        assert said.code == 0, said.out
        assert doors(said)["store"]["state"] == "ok"

    def test_a_bucket_that_is_not(self, home, cli, s3, monkeypatch):
        monkeypatch.setenv("INTERMODAL_STORE", "s3://no-such-bucket-anywhere/store")
        said = cli("doctor", "--json")
        assert said.code == 5
        assert "NoSuchBucket" in doors(said)["store"]["detail"]

    def test_wrong_keys(self, home, cli, s3, monkeypatch):
        monkeypatch.setenv("INTERMODAL_STORE", s3.uri)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        said = cli("doctor", "--json")
        assert said.code == 5
        assert "AWS_SECRET_ACCESS_KEY" in doors(said)["store"]["get"]

    def test_nobody_answers(self, home, cli, monkeypatch):
        monkeypatch.setenv("INTERMODAL_STORE", "s3://bucket/store")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        said = cli("doctor", "--json")
        assert said.code == 5
        assert doors(said)["store"]["state"] == "missing"
