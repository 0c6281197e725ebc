"""One step on its own: a run with a single task, recorded like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intermodal.core.config import Settings
from intermodal.core.step import StepSpec
from intermodal.errors import UsageError
from intermodal.runtime.keys import complete_parameters
from intermodal.runtime.local.engine import Engine
from intermodal.runtime.local.runtime import LocalRuntime
from intermodal.runtime.observer import Observer
from intermodal.runtime.record import PENDING, RunRecord, TaskRecord, new_run_id, now, this_process
from intermodal.store.locate import prefix_of, read_manifest


def run_single(
    spec: StepSpec,
    parameters: dict[str, Any],
    inputs: dict[str, str],
    settings: Settings,
    observer: Observer,
    *,
    mode: str = "subprocess",
    use_cache: bool = True,
) -> RunRecord:
    """Run one step on its own.

    Args:
        spec: The step.
        parameters: Its plain parameters; defaults fill the rest.
        inputs: Input name → URI of an artifact.
        settings: Where things live.
        observer: Who is told.
        mode: "subprocess" or "in-process".
        use_cache: Whether a remembered result may be used.

    Returns:
        The record of a run with one task.

    Raises:
        UsageError: A parameter or input is missing, unknown, or of the wrong type.
    """
    complete = complete_parameters(spec, parameters)
    check_inputs(spec, inputs)
    record = RunRecord(
        run_id=new_run_id(spec.name),
        pipeline=spec.name,
        reference=f"step:{spec.target}",
        arguments={**parameters, **inputs},
        parameters={**complete, **inputs},
        mode=mode,
        **this_process(),
        directory=str(Path.cwd()),
        started=now(),
        tasks=(TaskRecord(spec.name, step=spec.target, state=PENDING),),
    )

    def work(engine: Engine) -> bool:
        folder = engine.task_folder(spec.name) / "kfp"
        fields = executor_input(spec, complete, inputs, folder)
        return engine.run_step(spec.name, spec.target, fields, "", [], {})

    return LocalRuntime(settings).conduct(record, work, observer, use_cache=use_cache)


def executor_input(spec: StepSpec, parameters: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """The ExecutorInput that KFP would write for this step.

    Args:
        spec: The step.
        parameters: All its plain parameters.
        inputs: Input name → URI.
        folder: Where outputs and the executor's answer are expected.

    Returns:
        The mapping.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    schemas = {item.name: item.schema for item in spec.inputs}
    return {
        "inputs": {
            "parameterValues": given,
            "artifacts": {name: _artifact(name, schemas[name], uri) for name, uri in inputs.items()},
        },
        "outputs": {
            "artifacts": {
                item.name: _artifact(item.name, item.schema, str(folder / item.name)) for item in spec.outputs
            },
            "parameters": {name: {"outputFile": str(folder / name)} for name in spec.returns},
            "outputFile": str(folder / "executor_output.json"),
        },
    }


def _artifact(name: str, schema: str, uri: str) -> dict[str, Any]:
    kind = {"schemaTitle": schema, "schemaVersion": "0.0.1"}
    metadata = read_manifest(uri).metadata if prefix_of(uri) else {}
    return {"artifacts": [{"name": name, "type": kind, "uri": uri, "metadata": metadata}]}


def check_inputs(spec: StepSpec, inputs: dict[str, str]) -> None:
    """Refuse inputs that a step does not have, and the lack of one that it needs.

    Args:
        spec: The step.
        inputs: Input name → URI.

    Raises:
        UsageError: An input is unknown or missing.
    """
    known = {item.name for item in spec.inputs}
    unknown = sorted(set(inputs) - known)
    if unknown:
        raise UsageError(
            f"step {spec.name} has no such input", seen=", ".join(unknown), expected=", ".join(sorted(known))
        )
    missing = [item.name for item in spec.inputs if not item.optional and item.name not in inputs]
    if missing:
        words = " ".join(f"--{name} URI" for name in missing)
        raise UsageError(f"step {spec.name} misses an input", expected=", ".join(missing), next_step=f"add {words}")
