"""An entry point is checked whole before anything starts; a step alone becomes a pipeline of one task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intermodal.core.config import Settings, load_settings
from intermodal.core.registry import CATALOGUE, load_spec
from intermodal.errors import UsageError
from intermodal.runtime.base import RunRequest, open_runtime
from intermodal.runtime.entry import EntryRequest, prepare
from intermodal.runtime.graph import tasks_of
from intermodal.runtime.observer import Observer
from intermodal.runtime.one_task import one_task_arguments, one_task_pipeline
from intermodal.runtime.pipeline import load_pipeline
from launching import TESTS, pipeline

ROOT = TESTS.parent


def step(target: str, **arguments: str) -> EntryRequest:
    return EntryRequest("step", f"toy_steps:{target}", arguments)


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (step("make", n="many"), "a whole number"),
        (step("make", n="2.5"), "a whole number"),
        (step("make", n="1e3"), "a whole number"),
        (step("make", n=""), "a whole number"),
        (step("summarise", values="1, 2", options="{}"), "a JSON list"),
        (step("make", m="1"), "n, seconds"),
        (step("double"), "value"),
        (step("total"), "parts"),
        (step("total", parts="nowhere.data"), ""),
        (step("nothing"), "make"),
        (EntryRequest("run", "nowhere.py", {}), "a Python file"),
        (EntryRequest("run", pipeline("line", "toy_line.py"), {"n": "many"}), "a whole number"),
        (EntryRequest("run", pipeline("line", "toy_line.py"), {"m": "1"}), "n"),
        (EntryRequest("run", pipeline("line", "toy_line.py"), {}, runtime="moon"), "kubeflow, local"),
    ],
)
def test_what_is_wrong_is_said_before(request_: EntryRequest, expected: str, settings: Settings) -> None:
    with pytest.raises(UsageError) as error:
        prepare(request_, settings)
    assert expected in error.value.expected
    assert not settings.runs.exists()


def test_a_prepared_step_runs(settings: Settings) -> None:
    request = EntryRequest("step", "toy_steps:maybe", {"data": "", "label": ""}, mode="in-process")
    record = prepare(request, settings)(Observer())
    assert record.state == "SUCCEEDED"
    assert record.tasks[0].values == {"Output": "no data, None"}


def test_settings_of_a_runtime_come_over_those_of_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from intermodal.runtime import base

    seen: list[Any] = []

    class Elsewhere(base.Runtime):
        def run(self, request: base.RunRequest, observer: Observer) -> Any:
            seen.append((self.settings.extra, request))

    monkeypatch.setitem(base.RUNTIMES, "elsewhere", f"{__name__}:Elsewhere")
    monkeypatch.setitem(globals(), "Elsewhere", Elsewhere)
    Path("intermodal.toml").write_text('[kubeflow]\nhost = "http://a"\nnamespace = "n"\n')
    request = EntryRequest(
        "step",
        "toy_steps:total",
        {"parts": "s3://bucket/data"},
        runtime="elsewhere",
        mode="container",
        use_cache=False,
        sections={"kubeflow": {"host": "http://b"}},
    )
    prepare(request, load_settings())(Observer())
    ((extra, asked),) = seen
    assert extra["kubeflow"] == {"host": "http://b", "namespace": "n"}
    assert (asked.mode, asked.use_cache, asked.on_interrupt) == ("container", False, "cancel")
    assert asked.arguments == {"parts": "s3://bucket/data", "seconds": 0.0}
    assert [task.name for task in tasks_of(asked.pipeline.spec)] == ["importer", "total"]


def test_a_pipeline_of_one_task() -> None:
    spec = load_spec("toy_steps:summarise")
    arguments = one_task_arguments({"values": [1, 2], "options": {"scale": 2}, "label": ""}, {})
    made = one_task_pipeline(spec, arguments)
    assert made.name == "summarise"
    assert made.reference == "step:toy_steps:summarise"
    assert {item.name: (item.type, item.required) for item in made.parameters} == {
        "values": (list, True),
        "options": (dict, True),
        "label": (str, False),
    }
    again = one_task_pipeline(spec, arguments)
    assert made.spec == again.spec, "the same pipeline again, so that its version on a server is used again"
    with pytest.raises(UsageError, match="on its own"):
        one_task_pipeline(load_spec("toy_steps:closing"), {})


def test_its_input_comes_through_an_importer(settings: Settings) -> None:
    first = prepare(EntryRequest("step", "toy_steps:make", {"n": "4"}, mode="in-process"), settings)(Observer())
    uri = first.tasks[0].artifacts["data"]["uri"]
    arguments = one_task_arguments({"seconds": 0.0}, {"parts": uri})
    made = one_task_pipeline(load_spec("toy_steps:total"), arguments)
    record = open_runtime("local", settings).run(RunRequest(made, arguments, mode="in-process"), Observer())
    assert record.state == "SUCCEEDED", record.error
    done = record.task("total")
    assert done is not None
    assert done.values == {"Output": 6}


def test_every_entry_point_of_this_repository_can_be_prepared(settings: Settings) -> None:
    """What `mlflow run . -b intermodal-kubeflow -e NAME` checks before it submits: every step, every pipeline."""
    from intermodal.mlflow_backend.project import filled, read_entry, values_of

    given = {"source": "s3://bucket/reviews.tsv.gz", "message": "x"}
    section = {"host": "https://kubeflow.example.com", "store": "s3://bucket/store", "allow_mutable_tags": True}
    names = [*CATALOGUE, *(load_pipeline(str(path)).name for path in sorted(ROOT.glob("pipelines/*.py")))]
    for name in names:
        entry = read_entry(ROOT, name)
        needed = {key: given.get(key, f"s3://bucket/{key}") for key, value in entry.parameters.items() if value is None}
        target = entry.target if entry.kind == "step" else str(ROOT / entry.target)
        arguments = filled(entry, values_of(entry, needed))
        for runtime in ("local", "kubeflow"):
            request = EntryRequest(entry.kind, target, arguments, runtime=runtime, sections={"kubeflow": section})
            assert callable(prepare(request, settings)), name
