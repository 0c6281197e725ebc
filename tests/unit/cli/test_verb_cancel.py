"""`intermodal cancel`, and the flags that say where a run goes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from launching import PATIENCE, intermodal, pipeline, start


def test_a_run_of_another_process_is_stopped_in_order(home: Path, tmp_path: Path):
    process = start("run", pipeline("waiting"), "-p", f"folder={tmp_path / 'marks'}", "--json")
    limit = time.monotonic() + PATIENCE
    while not (mark := tmp_path / "marks" / "waiting").is_file():
        assert time.monotonic() < limit
        time.sleep(0.1)
    run_id = next((home / "runs").glob("*/run.json")).parent.name
    done = intermodal("cancel", run_id, "--json")
    out, error = process.communicate(timeout=PATIENCE)
    assert (done.code, process.returncode) == (0, 130), error
    assert done.json["state"] == json.loads(out)["state"] == "CANCELLED"
    assert not Path(f"/proc/{mark.read_text()}").exists()
    again = intermodal("cancel", run_id)
    assert again.code == 2
    assert "nothing to stop" in again.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--on", "nowhere"], "kubeflow, local"),
        (["--on", "kubeflow"], "[kubeflow] host"),
        (["--on", "kubeflow", "--debug"], "--on local"),
        (["--on", "kubeflow", "--containers"], "--on local"),
        (["--place", "say=kubeflow"], "a runtime of local, emr-eks, emr-serverless, sagemaker"),
        (["--place", "say=nowhere"], "a runtime of"),
        (["--on-interrupt", "stop"], "invalid choice"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_recorded(home: Path, words: list[str], part: str):
    done = intermodal("run", pipeline("uncached", "toy_pipelines.py"), *words)
    assert done.code == 2
    assert part in done.err
    assert not (home / "runs").exists()


def test_pods_need_a_store_that_they_can_see_and_images_by_digest(home: Path):
    words = ("run", pipeline("uncached", "toy_pipelines.py"), "--on", "kubeflow")
    there = {"KF_PIPELINES_ENDPOINT": "https://kubeflow.example.com"}
    assert "pods cannot see the artifact store" in intermodal(*words, **there).err
    tagged = intermodal(*words, **there, INTERMODAL_STORE="s3://bucket/prefix")
    assert tagged.code == 2
    assert "not named by digest" in tagged.err
    assert not (home / "runs").exists()
