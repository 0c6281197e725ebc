"""The files that are made from the steps, in this repository and in principle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from intermodal.core.registry import CATALOGUE, load_spec
from intermodal.runtime.generated import drift

ROOT = Path(__file__).resolve().parents[3]


def test_nothing_has_drifted_and_drift_is_seen(tmp_path: Path) -> None:
    assert drift(ROOT) == []
    (tmp_path / "pipelines").mkdir()
    missing = drift(tmp_path)
    assert "MLproject" in missing
    assert "components/ingest/component.yaml" in missing


def test_components_load_from_their_files_alone_and_hold_no_source() -> None:
    from kfp import components

    for name in CATALOGUE:
        path = ROOT / "components" / name / "component.yaml"
        text = path.read_text()
        assert "def " + name not in text
        loaded = components.load_component_from_file(str(path))
        spec = load_spec(name)
        given = {item.name for item in (*spec.parameters, *spec.inputs)}
        assert set(loaded.component_spec.inputs or {}) == given
        assert set(loaded.component_spec.outputs or {}) == {item.name for item in spec.outputs} | set(spec.returns)


def test_mlproject_has_an_entry_point_for_every_step_and_pipeline() -> None:
    from mlflow.projects import _project_spec

    project = _project_spec.load_project(str(ROOT))
    for name in [*CATALOGUE, "reviews"]:
        assert project.get_entry_point(name).name == name
    entry = project.get_entry_point("ingest")
    command = entry.compute_command({"source": "a b.tsv", "raw": ""}, None)
    assert "--source 'a b.tsv'" in command
    assert "--raw ''" in command


def test_conda_yaml_installs_from_the_constraints() -> None:
    content = yaml.safe_load((ROOT / "conda.yaml").read_text())
    pip = next(item["pip"] for item in content["dependencies"] if isinstance(item, dict))
    assert "python=3.11" in content["dependencies"]
    assert pip == ["--constraint constraints.txt", "--editable .[s3,torch]"]


def test_every_dependency_is_pinned() -> None:
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for text in [item for group in groups for item in group]:
        wanted = Requirement(text)
        pin = pins.get(wanted.name.lower().replace("_", "-"))
        assert pin, f"{wanted.name} is not in constraints.txt"
        assert wanted.specifier.contains(pin), f"{text} excludes its pin {pin}"


def test_regeneration_is_deterministic() -> None:
    command = [sys.executable, "-c", "from intermodal.runtime.generated import *; from pathlib import Path; "]
    command[-1] += f"print(hash(tuple(sorted(map(str, generated_files(Path({str(ROOT)!r})).items())))))"
    found = {
        subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "0", "PATH": ""}
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1
