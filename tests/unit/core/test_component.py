"""One definition of a step gives a KFP component that others can run without us."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kfp import compiler, components, dsl, local

import toy_steps
from intermodal.core.component import PROTOCOL, component, image_of
from intermodal.core.step import step
from intermodal.errors import UsageError


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The component of a step, compiled to YAML."""
    path = tmp_path / "component.yaml"
    compiler.Compiler().compile(component("toy_steps:spread"), str(path))
    return path


def container_of(path: Path) -> dict[str, object]:
    (executor,) = yaml.safe_load(path.read_text())["deploymentSpec"]["executors"].values()
    return dict(executor["container"])


def test_the_yaml_holds_the_contract_and_no_source(written: Path):
    container = container_of(written)
    expected = ["python3", "-m", "intermodal", "task", "--step", "toy_steps:spread", "--protocol", PROTOCOL]
    assert container["command"] == expected
    assert container["args"] == ["--executor_input", "{{$}}"]
    assert PROTOCOL == "kfp.dsl.executor_main"  # kfp.local refuses a component without these very words
    text = written.read_text()
    for word in ("def spread", "write_text", "pip install", "ephemeral_component"):
        assert word not in text


def test_the_yaml_is_loaded_again_with_the_same_interface(written: Path):
    again = components.load_component_from_file(str(written))
    spec = again.component_spec
    assert set(spec.inputs) == {"data", "files", "seconds"}
    assert set(spec.outputs) == {"parts"}
    assert spec.inputs["files"].default == 4
    assert "several files" in spec.description

    @dsl.pipeline(name="around")
    def around():
        again(data=component(toy_steps.make)(n=4).outputs["data"])

    assert "toy_steps:spread" in str(around.pipeline_spec)


def test_a_function_a_name_and_a_target_give_the_same_component(tmp_path: Path):
    texts = set()
    for number, given in enumerate((toy_steps.make, "toy_steps:make")):
        path = tmp_path / f"{number}.yaml"
        compiler.Compiler().compile(component(given), str(path))
        texts.add(path.read_text())
    assert len(texts) == 1


def test_the_image_follows_family_environment_and_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def image(**named: str) -> object:
        path = tmp_path / "image.yaml"
        compiler.Compiler().compile(component("toy_steps:make", **named), str(path))
        return container_of(path)["image"]

    assert image() == image_of("core") == "intermodal/core:0.1.0"
    monkeypatch.setenv("INTERMODAL_IMAGE_CORE", "registry/core@sha256:1")
    assert image() == "registry/core@sha256:1"
    assert image(image="mine:2") == "mine:2"


def test_what_is_no_step_is_refused():
    with pytest.raises(UsageError, match="not a step"):
        component(toy_steps.not_a_step)
    with pytest.raises(UsageError, match="no such step"):
        component("toy_steps:not_a_step")


def test_a_step_that_could_not_be_imported_is_refused(monkeypatch: pytest.MonkeyPatch):
    @step()
    def inner() -> int:
        return 1

    with pytest.raises(UsageError, match="another function"):
        component(inner)
    for module in ("__main__", "intermodal_pipeline_reviews"):
        monkeypatch.setattr(toy_steps.say, "__module__", module)
        with pytest.raises(UsageError, match="a pipeline file cannot be imported") as caught:
            component(toy_steps.say)
        assert "mysteps:function" in caught.value.next_step


# What a colleague without our runtime does: plain kfp.local, on components loaded from YAML.
PLAIN = """
import sys
from kfp import dsl, local
from kfp.components import load_component_from_file as load

make, spread, total, judged = (load(path) for path in sys.argv[1:5])
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[5])

@dsl.pipeline
def plain() -> int:
    counted = total(parts=spread(data=make(n=6).outputs["data"], files=3).outputs["parts"])
    judged()
    return counted.outputs["Output"]

print("answer", plain().output)
"""


def test_it_runs_under_plain_kfp_local(tmp_path: Path):
    paths = []
    for name in ("make", "spread", "total", "judged"):
        path = tmp_path / f"{name}.yaml"
        compiler.Compiler().compile(component(f"toy_steps:{name}"), str(path))
        paths.append(str(path))
    script = tmp_path / "plain.py"
    script.write_text(PLAIN)
    store = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, str(script), *paths, str(tmp_path / "kfp")],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "INTERMODAL_STORE": str(store)},
    )
    assert "answer 15" in done.stdout, done.stdout + done.stderr
    manifests = sorted(path.parent.name for path in store.glob("artifacts/*/*/*/manifest.json"))
    assert manifests == ["classification", "data", "metrics", "metrics", "parts"]


def test_kfp_local_refuses_a_container_component_without_the_words():
    """The reason for the words in the command; should kfp drop the check, they can go."""
    made = component("toy_steps:say")
    made.component_spec.implementation.container.command = ["python3", "-m", "intermodal", "task"]
    local.init(local.SubprocessRunner(use_venv=False))
    with pytest.raises(RuntimeError, match="only supports running Lightweight Python Components"):
        made(text="x")
