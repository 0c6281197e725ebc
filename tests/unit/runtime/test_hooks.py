"""The places of kfp.local that the local runtime changes: this fails when a new kfp moves one of them."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path

import pytest
from kfp.local import (
    executor_input_utils,
    executor_output_utils,
    io,
    logging_utils,
    pipeline_orchestrator,
    placeholder_utils,
    subprocess_task_handler,
    task_dispatcher,
)
from kfp.local.orchestrator import (
    dag_orchestrator,
    enhanced_dag_orchestrator,
    orchestrator_utils,
    task_executor,
    task_spec_utils,
)

from intermodal.errors import RuntimeFailed
from intermodal.runtime.local.conditions import MISSING, holds, references, resolve
from intermodal.runtime.local.hooks import Labels, hooked

LOOPS = enhanced_dag_orchestrator
PLACES = [
    (task_dispatcher, "run_single_task_implementation"),
    (task_executor, "execute_single_task"),
    (task_spec_utils, "get_nested_pipeline_resource_name"),
    (task_spec_utils, "create_parameter_loop_iteration_task_spec"),
    (LOOPS, "_run_parallel_for_task"),
    (LOOPS, "execute_task"),
    (LOOPS.ConditionEvaluator, "evaluate_condition"),
    (orchestrator_utils.OrchestratorUtils, "get_dag_output_artifacts"),
    (subprocess_task_handler, "run_local_subprocess"),
    (logging_utils, "local_logger_context"),
    (logging_utils, "indented_print"),
    (logging_utils, "print_horizontal_line"),
]


def never(*_given: object) -> bool:
    raise AssertionError("nothing is to be run")


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
def test_each_place_is_changed_for_the_length_of_a_run(owner: object, name: str):
    before = owner.__dict__[name]
    with hooked(never, lambda label: Path(label), run_command=never):
        assert owner.__dict__[name] is not before
    assert owner.__dict__[name] is before


def test_the_places_are_put_back_after_an_error():
    before = [owner.__dict__[name] for owner, name in PLACES]
    with pytest.raises(KeyError), hooked(never, lambda label: Path(label), run_command=never):
        raise KeyError
    assert [owner.__dict__[name] for owner, name in PLACES] == before


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (
            task_dispatcher.run_single_task_implementation,
            "pipeline_resource_name component_name component_spec executor_spec arguments pipeline_root runner "
            "raise_on_error block_input_artifact unique_pipeline_id",
        ),
        (
            task_executor.execute_single_task,
            "task_name task_spec pipeline_resource_name components executors io_store pipeline_root runner "
            "unique_pipeline_id fail_stack",
        ),
        (
            LOOPS._run_parallel_for_task,
            "task_name task_spec pipeline_resource_name components executors io_store pipeline_root runner "
            "unique_pipeline_id fail_stack parallel_executor",
        ),
        (LOOPS.ConditionEvaluator.evaluate_condition, "condition io_store"),
        (task_spec_utils.get_nested_pipeline_resource_name, "task_name pipeline_resource_name"),
        (task_spec_utils.create_parameter_loop_iteration_task_spec, "original_task_spec loop_item loop_task_name"),
        (orchestrator_utils.OrchestratorUtils.get_dag_output_artifacts, "dag_outputs_spec io_store"),
        (orchestrator_utils.OrchestratorUtils.make_task_arguments, "task_inputs_spec io_store"),
        (subprocess_task_handler.run_local_subprocess, "full_command env_vars"),
        (executor_input_utils.construct_executor_input, "component_spec arguments task_root block_input_artifact"),
        (executor_input_utils.executor_input_to_dict, "executor_input component_spec"),
        (executor_output_utils.get_outputs_for_task, "executor_input component_spec"),
        (
            placeholder_utils.replace_placeholders,
            "full_command executor_input_dict pipeline_resource_name task_resource_name pipeline_root "
            "unique_pipeline_id",
        ),
        (pipeline_orchestrator.run_local_pipeline, "pipeline_spec arguments"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_called_or_replaced_takes_what_it_took(function: object, names: str):
    assert list(inspect.signature(function).parameters) == names.split()


@pytest.mark.parametrize(
    ("module", "call"),
    [
        (dag_orchestrator, "task_executor.execute_single_task("),
        (LOOPS, "task_executor.execute_single_task("),
        (task_executor, "task_dispatcher.run_single_task_implementation("),
        (LOOPS, "task_spec_utils.get_nested_pipeline_resource_name("),
        (LOOPS, "task_spec_utils.create_parameter_loop_iteration_task_spec("),
        (LOOPS, "OrchestratorUtils.get_dag_outputs("),
        (LOOPS, "condition_evaluator.evaluate_condition("),
        (pipeline_orchestrator, "enhanced_dag_orchestrator.run_enhanced_dag("),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_kfp_reaches_each_place_through_its_module(module: object, call: str):
    """A function imported by its name would not see the change."""
    assert call in inspect.getsource(module)


def test_a_store_of_values_has_the_parts_that_conditions_read():
    parent = io.IOStore()
    parent.put_parent_input("outer", 1)
    parent.put_task_output("make-it", "total-count", 2)
    inner = io.IOStore(parent)
    inner.put_parent_input("pipelinechannel--item", 3)
    assert resolve("outer", inner) == 1
    assert resolve("pipelinechannel--make-it-total-count", inner) == 2
    assert resolve("pipelinechannel--item", inner) == 3
    assert resolve("pipelinechannel--nothing", inner) is MISSING


def value(name: str) -> str:
    return f"inputs.parameter_values['{name}']"


@pytest.mark.parametrize(
    ("condition", "values", "answer"),
    [
        (f"{value('a')} == 'it'", ["it"], True),
        (f"{value('a')} == 'it'", ["it's"], False),
        (f"{value('a')} != {value('b')}", ['"', "'"], True),
        (f"{value('a')} == {value('a')}", ["&& || !(", "&& || !("], True),
        (f"{value('a')} == 'true && false'", ["true && false"], True),
        (f"int({value('a')}) > 3", [4.0], True),
        (f"{value('a')} > double(1)", [1.5], True),
        (f"{value('a')} == true", [True], True),
        (f"!({value('a')} == true) && !({value('b')} == 'x')", [False, "y"], True),
        (f"!({value('a')} == true) || {value('b')} == 'x'", [True, "x"], True),
        (f"{value('a')} == 'x'", [MISSING], False),
        (f"!({value('a')} == 'x')", [MISSING], False),
    ],
)
def test_conditions(condition: str, values: list[object], answer: bool):
    assert len(references(condition)) == len(values)
    assert holds(condition, values) is answer


@pytest.mark.parametrize(
    ("condition", "values"),
    [(f"{value('a')} > '1'", [2.0]), (f"{value('a')} == 'it's'", ["x"]), ("__import__('os')", [])],
)
def test_what_cannot_be_evaluated_is_an_error(condition: str, values: list[object]):
    with pytest.raises(RuntimeFailed, match="cannot be evaluated") as caught:
        holds(condition, values)
    assert condition in caught.value.seen


def test_kfp_s_own_log_is_silent_and_a_step_s_is_not(caplog: pytest.LogCaptureFixture):
    with hooked(never, lambda label: Path(label)), caplog.at_level(logging.INFO):
        logging.getLogger().error("a step says so")
        LOOPS.logging.error("kfp says so")  # this call's own place is here, so it passes
        LOOPS.ConditionEvaluator._resolve_pipeline_channel("pipelinechannel--nothing", io.IOStore())
    assert [record.message for record in caplog.records] == ["a step says so", "kfp says so"]


def test_labels_of_equal_tasks_differ():
    from kfp.pipeline_spec import pipeline_spec_pb2

    labels = Labels()
    names = []
    for resource in ("run/part", "run/part-2", "run/part", "run/for-loop-1-iteration-3/part/condition-2"):
        with labels.entered("count", pipeline_spec_pb2.PipelineTaskSpec(), resource):
            names.append(labels.current)
    assert names == ["part--count", "part-2--count", "part--count.again2", "part--count.3"]
