"""Three small changes to kfp.local, for the length of one run.

kfp.local orders the tasks, evaluates conditions, unrolls loops and runs exit handlers; we keep all of
that. What we change: a single task goes to our engine instead of kfp's own runner; every task has a
folder of its own, where kfp gives tasks of the same component one and the same; and `dsl.OneOf` works
for artifacts, which kfp 2.17 refuses locally. `tests/unit/runtime/test_hooks.py` fails when a new
kfp moves one of these places.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from intermodal.runtime.graph import label_of, step_of

# (label, step or "", ExecutorInput as a mapping, image, full command, environment) → whether it went well
RunStep = Callable[[str, str, dict[str, Any], str, list[str], dict[str, str]], bool]
Folder = Callable[[str], Path]
# (expression, values of the outputs it reads) → whether it holds; None leaves it to kfp
Decide = Callable[[str, list[Any]], bool | None]


class Labels:
    """Names of running tasks: one per task and loop iteration, kept per thread.

    kfp passes no task name to the function that runs a task, so it is set when kfp enters the task.
    """

    def __init__(self) -> None:
        self._current = threading.local()
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def entered(self, task_name: str, resource: str) -> Iterator[None]:
        """The task that this thread runs from here on."""
        label = label_of(task_name, resource)
        with self._lock:
            count = self._used[label] = self._used.get(label, 0) + 1
        self._current.name = label if count == 1 else f"{label}.again{count}"
        yield

    @property
    def current(self) -> str:
        """The task that this thread runs."""
        return str(self._current.name)


@contextlib.contextmanager
def hooked(run_step: RunStep, folder: Folder, decide: Decide | None = None) -> Iterator[None]:
    """Run kfp.local with our engine underneath.

    Args:
        run_step: Runs one task of ours.
        folder: The folder of a task, by its label.
        decide: Asked before each condition's expression is evaluated; None leaves it to kfp.
    """
    from kfp.local import task_dispatcher
    from kfp.local.orchestrator import dag_orchestrator, enhanced_dag_orchestrator, orchestrator_utils, task_executor

    labels = Labels()
    run_one = _task_runner(run_step, folder, labels, task_dispatcher.run_single_task_implementation)
    enter = _task_entry(labels, task_executor.execute_single_task)
    conditions = enhanced_dag_orchestrator.ConditionEvaluator
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_replaced(task_dispatcher, "run_single_task_implementation", run_one))
        stack.enter_context(_replaced(task_executor, "execute_single_task", enter))
        stack.enter_context(_replaced(orchestrator_utils.OrchestratorUtils, "get_dag_output_artifacts", _one_of))
        if decide is not None:
            judged = _judge(decide, conditions.evaluate_condition)
            stack.enter_context(_replaced(conditions, "evaluate_condition", judged))
        assert dag_orchestrator  # both orchestrators reach the two functions through their modules
        yield


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
        full = placeholder_utils.replace_placeholders(
            full_command=command,
            executor_input_dict=fields,
            pipeline_resource_name=given["pipeline_resource_name"],
            task_resource_name=label,
            pipeline_root=given["pipeline_root"],
            unique_pipeline_id=given["unique_pipeline_id"],
        )
        environment = {item.name: item.value for item in container.env}
        if not run_step(label, step, fields, container.image, full, environment):
            return {}, status.Status.FAILURE
        outputs = executor_output_utils.get_outputs_for_task(message, given["component_spec"])
        return outputs, status.Status.SUCCESS

    return run_one


def _run_foreign(
    run_step: RunStep, label: str, root: Path, original: Callable[..., Any], given: dict[str, Any]
) -> tuple[dict[str, Any], Any]:
    """A component that is not one of ours: kfp's own runner runs it, and we keep the record."""
    from kfp.local import status

    answer: list[Any] = []

    def work() -> bool:
        answer.append(original(**{**given, "pipeline_root": str(root)}))
        return bool(answer[0][1] == status.Status.SUCCESS)

    went_well = run_step(label, "", {"work": work}, given["executor_spec"].container.image, [], {})
    return answer[0] if answer else ({}, status.Status.SUCCESS if went_well else status.Status.FAILURE)


def _task_entry(labels: Labels, original: Callable[..., Any]) -> Callable[..., Any]:
    def enter(**given: Any) -> Any:
        with labels.entered(given["task_name"], given["pipeline_resource_name"]):
            return original(**given)

    return enter


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


def _judge(decide: Decide, original: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(self: Any, condition: str, io_store: Any) -> bool:
        channels = self._extract_pipeline_channels(condition)
        values = [self._resolve_pipeline_channel(channel, io_store) for channel in channels]
        answer = decide(condition, values)
        return bool(original(condition, io_store)) if answer is None else answer

    return evaluate


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """kfp.local logs every step to standard output through the root logger; the observer tells it better."""
    from kfp.local import logging_utils

    @contextlib.contextmanager
    def silent(*_given: Any, **_named: Any) -> Iterator[None]:
        yield

    with contextlib.ExitStack() as stack:
        for name in ("local_logger_context", "indented_print"):
            stack.enter_context(_replaced(logging_utils, name, silent))
        stack.enter_context(_replaced(logging_utils, "print_horizontal_line", lambda: None))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        level = logging.getLogger().level
        stack.callback(logging.getLogger().setLevel, level)
        yield
