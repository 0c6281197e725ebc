"""The fake Kubeflow with containers for pods; skips where no engine answers."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from test_kubeflow_fake import SHELL, begun_at, logs, served, waited_for

import container_engine
from container_engine import docker
from kubeflow import OpenFake, Serve, client_of, ended, states, submit, until

pytestmark = pytest.mark.timeout(2400)  # building an image on a new machine takes minutes
PIPELINE = """
from kfp import dsl
from intermodal import component

generate, ingest, validate = component("generate"), component("ingest"), component("validate")

@dsl.pipeline(name="contained")
def contained(rows: int = 300):
    raw = generate(rows=rows)
    made = ingest(raw=raw.outputs["raw"])
    validate(reviews=made.outputs["reviews"])
"""


@pytest.fixture
def in_containers(engine: str, open_kubeflow: OpenFake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OpenFake:
    """Opens fakes with containers for pods, which share the store."""
    monkeypatch.setenv("DOCKER_HOST", engine)
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o777)  # pods have another user

    def go(**options: Any) -> Any:
        return open_kubeflow(tasks="container", pod_mounts=(str(tmp_path / "store"),), **options)

    return go


def left(engine: str, run_id: str) -> str:
    """The containers of a run that are still there."""
    return docker(engine, "ps", "-aq", "--filter", f"label=intermodal.kubeflow-fake={run_id}").stdout


def test_pods_see_their_own_alone(engine: str, in_containers: OpenFake) -> None:
    fake = in_containers()
    done = ended(fake, submit(fake, "pair", SHELL, text="contained"))
    assert done.state == "SUCCEEDED", done.error
    data, copied = fake.artifacts(done.run_id)
    assert data["uri"] == f"minio://mlpipeline/v2/artifacts/pair/{done.run_id}/write/{data['execution_id']}/data"
    assert Path(copied["local_path"]).read_text() == "contained"
    assert logs(fake, done, "write") == "writing contained\nwritten\n"
    script = "id -u; touch /tmp/x && echo scratch; touch /x 2>/dev/null || echo fixed; ls /minio 2>/dev/null; sleep 600"
    run_id = submit(fake, "scripted", SHELL, script=script)
    seen = until(fake, run_id, lambda item: states(item).get("shell/executor") == "RUNNING")
    waited_for(lambda: "fixed" in logs(fake, seen, "shell"), "the script's lines")
    user, *others = logs(fake, seen, "shell").splitlines()
    assert (user != "0", others[:2]) == (True, ["scratch", "fixed"])
    client_of(fake).terminate_run(run_id)
    assert ended(fake, run_id).state == "CANCELED"
    assert left(engine, run_id) == ""


def test_an_image_that_is_not_there_is_not_fetched(in_containers: OpenFake, tmp_path: Path) -> None:
    file = tmp_path / "absent.py"
    text = (Path(container_engine.__file__).parent / SHELL).read_text()
    file.write_text(text.replace("python:3.11-slim-bookworm", "nobody/nothing:1"))
    fake = in_containers()
    done = ended(fake, submit(fake, "scripted", str(file)))
    assert done.state == "FAILED"
    assert "nobody/nothing:1 is not present" in done.error.message


def test_a_killed_server_leaves_no_container(engine: str, in_containers: OpenFake, serve_kubeflow: Serve) -> None:
    server = serve_kubeflow("--tasks", "container")
    run_id = begun_at(served(server), "sleep 600")
    waited_for(lambda: left(engine, run_id), "the container")
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    waited_for(lambda: left(engine, run_id) == "", "the end of the container")


def test_steps_in_their_image(core_image: str, in_containers: OpenFake, tmp_path: Path) -> None:
    (tmp_path / "contained.py").write_text(PIPELINE)
    fake = in_containers()
    done = ended(fake, submit(fake, "contained", str(tmp_path / "contained.py")))
    assert done.state == "SUCCEEDED", (done.error, [path.read_text() for path in fake.options.home.rglob("log.txt")])
    found = {(item["task"], item["name"]): item for item in fake.artifacts(done.run_id)}
    clean = found["validate", "clean"]
    assert (Path(clean["local_path"]) / "manifest.json").is_file()
    assert clean["uri"].startswith("minio://mlpipeline/v2/artifacts/contained/")
    assert clean["metadata"]["intermodal_uri"].startswith(str(tmp_path / "store"))
