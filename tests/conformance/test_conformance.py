"""The same pipelines on each runtime: this machine's processes, its containers, and a fake Kubeflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import launching
from intermodal.conformance.cases import CASES, Case, Ended
from intermodal.conformance.suite import Place, compare, place_for, remembered, run_case
from intermodal.core.config import load_settings
from intermodal.errors import StepFailed
from intermodal.runtime.base import Runtime
from intermodal.runtime.record import RunRecord, TaskRecord
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from kubeflow import OpenFake

BY_NAME = {case.name: case for case in CASES}


@pytest.fixture
def local(home: Path) -> Place:
    return place_for("local", load_settings())


@pytest.fixture
def on_kubeflow(home: Path, open_kubeflow: OpenFake, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The fake Kubeflow; pods and client share a store."""
    monkeypatch.setenv("INTERMODAL_STORE", str(home.parent / "store"))
    fake = open_kubeflow(grace=1.0)
    lines = ["[kubeflow]", f'host = "{fake.url}"', "allow_mutable_tags = true", "poll = 0.1"]
    Path("intermodal.toml").write_text("\n".join([*lines, "[kubeflow.env]", f'INTERMODAL_HOME = "{home}/pods"', ""]))
    return place_for("kubeflow", load_settings())


@pytest.mark.parametrize("name", BY_NAME)
def test_this_machine(local: Place, name: str):
    assert run_case(BY_NAME[name], local).differences == ()


@pytest.mark.parametrize("name", BY_NAME)
def test_kubeflow(on_kubeflow: Place, name: str):
    assert run_case(BY_NAME[name], on_kubeflow).differences == ()


@pytest.mark.parametrize("name", BY_NAME)
def test_sagemaker(sagemaker: LocalSageMaker, name: str):
    Path("intermodal.toml").write_text("[sagemaker]\npoll = 0.2\n")
    assert run_case(BY_NAME[name], place_for("sagemaker", load_settings())).differences == ()


@pytest.mark.parametrize("name", BY_NAME)
def test_containers(home: Path, engine: str, core_image: str, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("DOCKER_HOST", engine)
    monkeypatch.setenv("INTERMODAL_IMAGE_CORE", core_image)
    assert run_case(BY_NAME[name], place_for("local-container", load_settings())).differences == ()


def ended(case: Case, **changed: Any) -> RunRecord:
    """The record of a run that came to exactly what a case says, but for some fields."""
    tasks = []
    for name, items in case.tasks.items():
        for number, item in enumerate(items):
            label = f"{name}.{number}" if len(items) > 1 else name
            values = {} if item.value is None else {"Output": item.value}
            artifacts = {key: {"digest": digest} for key, digest in item.digests.items()}
            tasks.append(TaskRecord(label, state=item.state, values=values, artifacts=artifacts))
    return replace(RunRecord("run", "p", "p.py", {}, {}, state=case.state, tasks=tuple(tasks)), **changed)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda r: replace(r, state="FAILED"), "the run is FAILED"),
        (lambda r: replace(r, error=StepFailed("no").to_json()), "exit code 4"),
        (lambda r: r.with_task(replace(r.tasks[0], state="SKIPPED")), "expected SUCCEEDED"),
        (lambda r: r.with_task(replace(r.task("double.1"), values={"Output": 5})), "double: SUCCEEDED 5"),
        (lambda r: r.with_task(replace(r.task("merge"), artifacts={"merged": {"digest": "00"}})), "merged 00"),
        (lambda r: replace(r, tasks=r.tasks[1:]), "missing, expected"),
        (lambda r: r.with_task(TaskRecord("double.9", state="SUCCEEDED")), "one too many"),
        (lambda r: r.with_task(TaskRecord("new")), "nobody expected"),
        (lambda r: replace(r, tasks=tuple(t for t in r.tasks if t.name != "add")), "not in the record"),
    ],
)
def test_every_difference_is_told(change: Any, part: str):
    loop = BY_NAME["loop"]
    assert list(compare(loop, ended(loop))) == []
    assert any(part in text for text in compare(loop, change(ended(loop))))


def test_iterations_may_come_in_any_order():
    loop = BY_NAME["loop"]
    record = ended(loop)
    assert list(compare(loop, replace(record, tasks=tuple(reversed(record.tasks))))) == []


def test_a_second_run_must_be_remembered():
    linear = BY_NAME["linear"]
    assert list(compare(remembered(linear), ended(remembered(linear)))) == []
    assert len(list(compare(remembered(linear), ended(linear)))) == len(linear.tasks)
    assert remembered(BY_NAME["failure"]).tasks["reject"] == (Ended("FAILED"),)


class Careless(Runtime):
    """A runtime of somebody else's that runs nothing and says that all is well."""

    def run(self, request: Any, observer: Any) -> RunRecord:
        return RunRecord("run", request.pipeline.name, request.pipeline.reference, request.arguments, {}, "SUCCEEDED")


def test_a_runtime_of_another_package_is_found_and_found_out(home: Path, monkeypatch: pytest.MonkeyPatch):
    package = home.parent / "site" / "careless-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: careless\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[intermodal.runtimes]\ncareless = conformance_runtime:Careless\n")
    (package.parent / "conformance_runtime.py").write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_conformance import Careless\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=":")
    done = launching.intermodal(
        "conformance", "--runtime", "careless", "--case", "linear", "--case", "failure", "--json"
    )
    assert done.code == 5, done.err
    assert [case["agrees"] for case in done.json["cases"]] == [False, False]
    assert "the run is SUCCEEDED, expected FAILED" in done.json["cases"][1]["differences"]


def test_what_a_runtime_raises_is_a_difference_whatever_it_is(local: Place, monkeypatch: pytest.MonkeyPatch):
    def raising(_self: Any, _request: Any, _observer: Any) -> RunRecord:
        raise ConnectionError("nobody is there")

    monkeypatch.setattr(Careless, "run", raising)
    monkeypatch.setattr(Place, "open", lambda self: Careless(self.settings))
    result = run_case(BY_NAME["linear"], local)
    assert not result.agrees
    assert "ConnectionError" in result.differences[0]
    assert "nobody is there" in result.differences[0]


def test_the_verb(home: Path):
    done = launching.intermodal("conformance", "--runtime", "local", "--case", "retry", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["agrees"] is True
    assert len(launching.intermodal("conformance", "--runtime", "local", "--list").out.splitlines()) == len(CASES)
    assert launching.intermodal("conformance", "--runtime", "nowhere").code == 2
    assert "retry" in launching.intermodal("conformance", "--runtime", "local", "--case", "rety").err
    assert launching.intermodal("status", "--json").json["runs"] == [], "the suite's runs are not among the user's"
