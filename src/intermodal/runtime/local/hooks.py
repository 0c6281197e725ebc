"""Small changes to kfp.local, for the length of one run.

kfp.local orders the tasks, unrolls loops and runs exit handlers; we keep all of that. What we change: a
single task goes to our engine instead of kfp's own runner, and the command of a component that is not
ours too, because kfp prints its output and cannot stop it; every task has a name and a folder of its
own, where kfp gives tasks of the same component one and the same; `dsl.OneOf` works for artifacts,
which kfp 2.17 refuses locally; conditions and loops see the real values; what a loop's thread raises is
not lost. `tests/unit/runtime/test_hooks.py`
fails when a new kfp moves one of these places.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from intermodal.core.executor_input import OPTIONS
from intermodal.runtime.graph import label_of, step_of
from intermodal.runtime.local.conditions import CHANNEL, holds, references, resolve
from intermodal.runtime.local.loops import exact_inputs, exact_items
from intermodal.runtime.local.patching import quiet, replaced

# (label, step or "", ExecutorInput as a mapping, image, full command, environment) → whether it went well
RunStep = Callable[[str, str, dict[str, Any], str, list[str], dict[str, str]], bool]
Folder = Callable[[str], Path]
# (label, command, environment) → exit code
RunCommand = Callable[[str, list[str], dict[str, str]], int]
# what kfp.local gives its own runner of a task → outputs and kfp's status
RunTask = Callable[..., tuple[dict[str, Any], Any]]
# (expression, values of the outputs it reads) → whether it holds; None leaves it to kfp
Decide = Callable[[str, list[Any]], bool | None]

_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")


class Labels:
    """Names of running tasks: one per task and loop iteration, kept per thread.

    kfp passes neither the task's name nor its caching options to the function that runs it, so they are
    noted when kfp enters the task.
    """

    def __init__(self) -> None:
        self._current = threading.local()
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def entered(self, task_name: str, task_spec: Any, resource: str) -> Iterator[None]:
        """The task that this thread runs from here on."""
        label = label_of(task_name, resource)
        self._current.task = task_name, task_spec, resource
        options = task_spec.caching_options
        self._current.cached = options.enable_cache or not task_spec.HasField("caching_options")
        with self._lock:
            count = self._used[label] = self._used.get(label, 0) + 1
        self._current.name = label if count == 1 else f"{label}.again{count}"
        yield

    @property
    def current(self) -> str:
        """The task that this thread runs."""
        return str(self._current.name)

    @property
    def task(self) -> tuple[str, Any, str]:
        """Of the task that this thread runs: its name, its `PipelineTaskSpec`, and the way to it."""
        return self._current.task  # type: ignore[no-any-return]

    @property
    def cached(self) -> bool:
        """Whether the pipeline lets a remembered result stand for the task that this thread runs."""
        return bool(self._current.cached)


@contextlib.contextmanager
def hooked(
    run_step: RunStep, folder: Folder, decide: Decide | None = None, run_command: RunCommand | None = None
) -> Iterator[None]:
    """Run kfp.local with our engine underneath.

    Args:
        run_step: Runs one task of ours.
        folder: The folder of a task, by its label.
        decide: Asked before each condition's expression is evaluated; None leaves it to its values.
        run_command: Runs the command of a component that is not ours; kfp's own way by default.
    """
    from kfp.local import subprocess_task_handler, task_dispatcher

    labels = Labels()
    run_one = _task_runner(run_step, folder, labels, task_dispatcher.run_single_task_implementation)
    changes: list[tuple[Any, str, Any]] = []
    if run_command is not None:
        changes.append((subprocess_task_handler, "run_local_subprocess", _command_runner(run_command, labels)))
    with orchestrated(run_one, labels, decide), replaced(changes):
        yield


@contextlib.contextmanager
def orchestrated(run_task: RunTask, labels: Labels, decide: Decide | None = None) -> Iterator[None]:
    """Let kfp.local order the tasks, and run each of them another way.

    Args:
        run_task: Runs one task: given what kfp gives its own runner, answers with outputs and status.
        labels: Told which task runs.
        decide: Asked before each condition's expression is evaluated; None leaves it to its values.
    """
    from kfp.local import task_dispatcher
    from kfp.local.orchestrator import (
        enhanced_dag_orchestrator,
        orchestrator_utils,
        task_executor,
        task_spec_utils,
    )

    faults: list[Exception] = []
    loops, utilities = enhanced_dag_orchestrator, orchestrator_utils.OrchestratorUtils
    over_items = exact_items(loops._run_parallel_for_task)
    one_item = exact_inputs(task_spec_utils.create_parameter_loop_iteration_task_spec)
    changes: list[tuple[Any, str, Any]] = [
        (task_dispatcher, "run_single_task_implementation", run_task),
        (task_executor, "execute_single_task", _task_entry(labels, task_executor.execute_single_task)),
        (task_spec_utils, "get_nested_pipeline_resource_name", _nested_name),
        (task_spec_utils, "create_parameter_loop_iteration_task_spec", one_item),
        (loops, "_run_parallel_for_task", over_items),
        (loops, "execute_task", _noting(faults, loops.execute_task)),
        (loops.ConditionEvaluator, "evaluate_condition", _judge(decide)),
        (utilities, "get_dag_output_artifacts", _one_of),
    ]
    with replaced(changes), quiet():
        yield
    if faults:
        raise faults[0]


def run_pipeline(spec: Any, arguments: dict[str, Any], root: Path) -> bool:
    """Let kfp.local run a pipeline; call inside `hooked`.

    Args:
        spec: KFP's `PipelineSpec` message.
        arguments: Pipeline arguments.
        root: Folder for what kfp itself writes.

    Returns:
        Whether it went well.
    """
    from kfp import local
    from kfp.local import pipeline_orchestrator

    workspace = root / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=str(root), workspace_root=str(workspace), raise_on_error=True)
    try:
        pipeline_orchestrator.run_local_pipeline(spec, arguments)
    except RuntimeError as error:
        if "finished with status" not in str(error):
            raise
        return False
    return True


def _task_runner(run_step: RunStep, folder: Folder, labels: Labels, original: Callable[..., Any]) -> Callable[..., Any]:
    from kfp.local import executor_input_utils, executor_output_utils, placeholder_utils, status

    def run_one(**given: Any) -> tuple[dict[str, Any], Any]:
        label = labels.current
        container = given["executor_spec"].container
        command = [*container.command, *container.args]
        step = step_of(command)
        root = folder(label) / "kfp"
        if not step:
            return _run_foreign(run_step, label, root, original, given)
        message = executor_input_utils.construct_executor_input(
            component_spec=given["component_spec"],
            arguments=given["arguments"],
            task_root=str(root),
            block_input_artifact=False,
        )
        fields = executor_input_utils.executor_input_to_dict(message, given["component_spec"])
        write_whole(fields["inputs"].get("parameterValues", {}))
        full = placeholder_utils.replace_placeholders(
            full_command=command,
            executor_input_dict=fields,
            pipeline_resource_name=given["pipeline_resource_name"],
            task_resource_name=label,
            pipeline_root=given["pipeline_root"],
            unique_pipeline_id=given["unique_pipeline_id"],
        )
        fill_in(fields["inputs"].get("parameterValues", {}))
        fields[OPTIONS] = {"useCache": labels.cached}
        environment = {item.name: item.value for item in container.env}
        if not run_step(label, step, fields, container.image, full, environment):
            return {}, status.Status.FAILURE
        outputs = executor_output_utils.get_outputs_for_task(message, given["component_spec"])
        return outputs, status.Status.SUCCESS

    return run_one


def write_whole(parameters: dict[str, Any]) -> None:
    """Let a whole number that becomes part of a text read "6" and not "6.0", as Kubeflow's backend writes it."""
    for name, value in parameters.items():
        if name.startswith(CHANNEL) and isinstance(value, float) and value.is_integer():
            parameters[name] = int(value)


def fill_in(parameters: dict[str, Any]) -> None:
    """Put values in the place of what stands for them inside a list or dict; kfp.local does it in texts alone."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        found = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        return parameters[found[1]] if found else value

    for name, value in parameters.items():
        parameters[name] = filled(value)


def _run_foreign(
    run_step: RunStep, label: str, root: Path, original: Callable[..., Any], given: dict[str, Any]
) -> tuple[dict[str, Any], Any]:
    """A component that is not one of ours: kfp's own runner runs it, and we keep the record."""
    from kfp.local import status

    answer: list[Any] = []

    def work() -> bool:
        answer.append(original(**{**given, "pipeline_root": str(root)}))
        return bool(answer[0][1] == status.Status.SUCCESS)

    fields: dict[str, Any] = {"work": work, "component": given["component_spec"], "outputs": {}}
    went_well = run_step(label, "", fields, given["executor_spec"].container.image, [], {})
    if answer:
        return answer[0]  # type: ignore[no-any-return]
    return fields["outputs"], status.Status.SUCCESS if went_well else status.Status.FAILURE


def _task_entry(labels: Labels, original: Callable[..., Any]) -> Callable[..., Any]:
    def enter(**given: Any) -> Any:
        with labels.entered(given["task_name"], given["task_spec"], given["pipeline_resource_name"]):
            return original(**given)

    return enter


def _noting(faults: list[Exception], original: Callable[..., Any]) -> Callable[..., Any]:
    """Note what is raised inside a loop: kfp.local logs it, and goes on as if a task had failed."""

    def execute(**given: Any) -> Any:
        try:
            return original(**given)
        except Exception as error:
            faults.append(error)
            raise

    return execute


def _one_of(dag_outputs_spec: Any, io_store: Any) -> dict[str, Any]:
    """Artifacts a sub-pipeline gives out; of several selectors, the branch that ran."""
    outputs = {}
    for name, item in dag_outputs_spec.artifacts.items():
        found = []
        for selector in item.artifact_selectors:
            with contextlib.suppress(KeyError, ValueError):
                found.append(io_store.get_task_output(selector.producer_subtask, selector.output_artifact_key))
        if len(found) != 1:
            raise ValueError(f"output {name}: {len(found)} branches gave a value, expected one")
        outputs[name] = found[0]
    return outputs


def _judge(decide: Decide | None) -> Callable[..., Any]:
    def evaluate(_self: Any, condition: str, io_store: Any) -> bool:
        values = [resolve(name, io_store) for name in references(condition)]
        answer = decide(condition, values) if decide is not None else None
        return holds(condition, values) if answer is None else answer

    return evaluate


def _nested_name(task_name: str, pipeline_resource_name: str) -> str:
    """The way to a nested pipeline, from which its tasks get their names; kfp itself notes iterations alone."""
    return f"{pipeline_resource_name}/{task_name}"


def _command_runner(run_command: RunCommand, labels: Labels) -> Callable[..., int]:
    def run(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        return run_command(labels.current, full_command, env_vars or {})

    return run
