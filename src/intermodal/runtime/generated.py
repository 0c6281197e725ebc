"""Files that are made from the steps: written by one command, checked for drift by another.

The signature of a step is the only specification. What other tools read (KFP component files, the
`MLproject`, compiled pipelines, the command line's reference) is a pure function of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from intermodal.core.registry import CATALOGUE, load_spec
from intermodal.core.step import Parameter, Slot, StepSpec
from intermodal.runtime.compiled import in_order, plain
from intermodal.runtime.pipeline import Pipeline, load_pipeline

_HEADER = "# Made from the steps' signatures by `intermodal regenerate`; do not edit.\n"
_TYPES = {str: "string", int: "float", float: "float", bool: "string", list: "string", dict: "string"}


def generated_files(root: Path) -> dict[Path, str]:
    """What every generated file should hold.

    Args:
        root: The repository.

    Returns:
        Path → content.
    """
    files: dict[Path, str] = {}
    specs = [load_spec(name) for name in CATALOGUE]
    for spec in specs:
        folder = root / "components" / spec.name
        files[folder / "component.yaml"] = component_yaml(spec)
        files[folder / "README.md"] = component_readme(spec)
    pipelines = [load_pipeline(str(path)) for path in sorted((root / "pipelines").glob("*.py"))]
    for pipeline in pipelines:
        compiled = root / "pipelines" / "compiled" / pipeline.name
        files[compiled.with_suffix(".yaml")] = pipeline_yaml(pipeline)
        files[compiled.with_suffix(".kubernetes.yaml")] = _HEADER + plain(pipeline).manifests()
    files[root / "MLproject"] = mlproject(specs, pipelines, root)
    files[root / "conda.yaml"] = conda_yaml()
    files[root / "docs" / "steps.md"] = steps_reference(specs)
    return files


def drift(root: Path) -> list[str]:
    """Generated files that differ from what they should hold, or are missing."""
    return [
        str(path.relative_to(root))
        for path, content in generated_files(root).items()
        if not path.is_file() or path.read_text() != content
    ]


def component_yaml(spec: StepSpec) -> str:
    """The KFP component file of a step: no inlined source, the task wrapper as its command."""
    from intermodal.core.component import component

    return _compiled(component(spec.name if spec.name in CATALOGUE else spec.target))


def pipeline_yaml(pipeline: Pipeline) -> str:
    """A pipeline's IR as YAML."""
    return _compiled(pipeline.source)


def component_readme(spec: StepSpec) -> str:
    """What a visitor of the component's folder reads."""
    lines = [f"# {spec.name}", "", spec.summary, "", f"Image family `{spec.needs.image}`, {_needs(spec)}.", ""]
    lines += _table("Input artifacts", [(s.name, _schema(s), s.doc) for s in spec.inputs])
    lines += _table("Output artifacts", [(s.name, _schema(s), s.doc) for s in spec.outputs])
    lines += _table("Parameters", [(p.name, _typed(p), p.doc) for p in spec.parameters])
    lines += ["```python", "from kfp import components", ""]
    lines += [f'{spec.name} = components.load_component_from_file("components/{spec.name}/component.yaml")', "```", ""]
    lines += [f"On a laptop: `intermodal step {spec.name} --help`.", ""]
    return "\n".join(lines)


def steps_reference(specs: list[StepSpec]) -> str:
    """One page on all steps."""
    lines = ["# Steps", "", "Made from the signatures by `intermodal regenerate`.", ""]
    lines += [f"- [{spec.name}](../components/{spec.name}/README.md): {spec.summary}" for spec in specs]
    return "\n".join([*lines, ""])


def mlproject(specs: list[StepSpec], pipelines: list[Pipeline], root: Path) -> str:
    """The `MLproject`: one entry point a step, one a pipeline.

    MLflow quotes every value for the shell, so text with spaces or nothing in it arrives whole.
    """
    import yaml

    entries: dict[str, Any] = {}
    for spec in specs:
        names = [slot.name for slot in spec.inputs] + [item.name for item in spec.parameters]
        entries[spec.name] = {
            "parameters": {
                **{slot.name: _slot_entry(slot) for slot in spec.inputs},
                **{item.name: _entry(item) for item in spec.parameters},
            },
            "command": " ".join(["intermodal", "step", spec.name, *(f"--{name} {{{name}}}" for name in names)]),
        }
    for pipeline in pipelines:
        words = [f"-p {item.name}={{{item.name}}}" for item in pipeline.parameters]
        path = Path(pipeline.reference).relative_to(root)
        entries[pipeline.name] = {
            "parameters": {
                item.name: {"type": _TYPES[item.type], "default": _text(item.default)} for item in pipeline.parameters
            },
            "command": " ".join(["intermodal", "run", str(path), *words]),
        }
    for entry in entries.values():
        if not entry["parameters"]:
            del entry["parameters"]
    body = {"name": "intermodal", "python_env": "mlflow_project/python_env.yaml", "entry_points": entries}
    text: str = yaml.safe_dump(body, sort_keys=False, width=1000, allow_unicode=True)
    return _HEADER + text


def conda_yaml() -> str:
    """The conda environment: Python from conda, every package by pip from the same constraints."""
    lines = [
        "name: intermodal",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        "  - pip:",
    ]
    return _HEADER + "\n".join([*lines, "      - --constraint constraints.txt", "      - --editable .[s3,torch]", ""])


def _slot_entry(slot: Slot) -> dict[str, str]:
    return {"type": "string", "default": ""} if slot.optional else {"type": "string"}


def _entry(item: Parameter) -> dict[str, Any]:
    kind = {"type": _TYPES[item.type]}
    return kind if item.required else {**kind, "default": _text(item.default)}


def _text(value: Any) -> Any:
    """A default as MLflow writes it back into the command."""
    import json

    if isinstance(value, bool | list | dict):
        return json.dumps(value, sort_keys=True)  # a mapping comes as protobuf happens to hold it
    return "" if value is None else value


def _compiled(made: Any) -> str:
    from kfp import compiler

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "compiled.yaml")
        compiler.Compiler().compile(made, path)
        return in_order(Path(path).read_text())


def _table(title: str, rows: list[tuple[str, str, str]]) -> list[str]:
    if not rows:
        return []
    lines = [f"| `{name}` | {kind} | {doc.replace('|', '&#124;')} |" for name, kind, doc in rows]
    return [f"## {title}", "", "| name | type | meaning |", "|---|---|---|", *lines, ""]


def _schema(slot: Slot) -> str:
    return slot.schema.removeprefix("system.") + (", optional" if slot.optional else "")


def _typed(item: Parameter) -> str:
    return f"{item.type.__name__}, required" if item.required else f"{item.type.__name__}, default `{item.default!r}`"


def _needs(spec: StepSpec) -> str:
    needs = spec.needs
    parts = [f"cpu {needs.cpu}", f"memory {needs.memory}", *([f"gpu {needs.gpu}"] if needs.gpu else [])]
    return ", ".join([*parts, *(f"needs {item}" for item in needs.capabilities)])
