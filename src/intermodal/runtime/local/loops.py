"""What a loop goes over, and what its body is given.

kfp.local 2.17 guesses both from names: inside a loop, the output of a task before it and the item of a
loop around it are silently replaced by the loop's own item, and a loop over a field of another loop's
item, or over an output that has a name of its own, is not found. The compiled pipeline says it exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def exact_items(original: Callable[..., Any]) -> Callable[..., Any]:
    """kfp.local's runner of a loop, given the items themselves.

    Args:
        original: `enhanced_dag_orchestrator._run_parallel_for_task`.
    """
    from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils
    from kfp.pipeline_spec import pipeline_spec_pb2

    def run(**given: Any) -> Any:
        spec = given["task_spec"]
        source = spec.parameter_iterator.items.input_parameter
        if source not in spec.inputs.parameters:
            return original(**given)
        alone = pipeline_spec_pb2.TaskInputsSpec(parameters={source: spec.inputs.parameters[source]})
        items = OrchestratorUtils.make_task_arguments(alone, given["io_store"])[source]
        exact = copied(spec)
        exact.parameter_iterator.items.raw = json.dumps(json.loads(items) if isinstance(items, str) else items)
        return original(**{**given, "task_spec": exact})

    return run


def exact_inputs(original: Callable[..., Any]) -> Callable[..., Any]:
    """kfp.local's maker of one iteration, with every input but the item itself as it was compiled.

    Args:
        original: `task_spec_utils.create_parameter_loop_iteration_task_spec`.
    """

    def create(spec: Any, loop_item: Any, loop_task_name: str) -> Any:
        bare = copied(spec)
        bare.inputs.ClearField("parameters")
        iteration = original(bare, loop_item, loop_task_name)
        for name, value in spec.inputs.parameters.items():
            if name != spec.parameter_iterator.item_input:
                iteration.inputs.parameters[name].CopyFrom(value)
        return iteration

    return create


def copied(message: Any) -> Any:
    """A copy of a protobuf message."""
    made = type(message)()
    made.CopyFrom(message)
    return made
