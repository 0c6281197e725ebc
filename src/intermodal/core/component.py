"""From a step to a KFP component: one definition, no inlined source.

The component's command is the task wrapper, so whoever runs the component (the Kubeflow launcher,
kfp.local, a container engine) needs only the image. The words `kfp.dsl.executor_main` must stand in the
command: kfp.local's subprocess runner refuses a component without them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from intermodal.core.registry import load_function
from intermodal.core.step import Needs, is_step, spec_of
from intermodal.errors import UsageError

PROTOCOL = "kfp.dsl.executor_main"
IMAGE_VARIABLE = "INTERMODAL_IMAGE_{family}"
PIPELINE_MODULE = "intermodal_pipeline_"  # how a pipeline file is called once it is loaded
DEFAULT_IMAGE = "intermodal/{family}:0.1.0"


def image_of(family: str) -> str:
    """The image reference of a family; `INTERMODAL_IMAGE_<FAMILY>` replaces the default."""
    return os.environ.get(IMAGE_VARIABLE.format(family=family.upper())) or DEFAULT_IMAGE.format(family=family)


def component(step: str | Callable[..., Any], *, image: str = "") -> Any:
    """The KFP component of a step, for use inside a `@kfp.dsl.pipeline`.

    Args:
        step: A name of the catalogue, a name another package announces, "module:function", or the
            step's function itself.
        image: Image reference; the image family's by default.

    Returns:
        A `kfp.dsl` component.

    Raises:
        UsageError: There is no such step.
    """
    from kfp import dsl

    function = step if callable(step) and is_step(step) else load_function(_name(step))
    spec = spec_of(function)
    _check_importable(spec.target)
    chosen = image or image_of(spec.needs.image)
    made = dsl.component(function, base_image=chosen, target_image=chosen, install_kfp_package=False)
    container = made.component_spec.implementation.container
    container.command = ["python3", "-m", "intermodal", "task", "--step", spec.target, "--protocol", PROTOCOL]
    container.args = ["--executor_input", "{{$}}"]
    made.component_spec.description = spec.summary
    made.__class__ = _sized(type(made), spec.needs)
    return made


def _resources(needs: Needs) -> Any:
    """What KFP's setters would set one by one; each of those reads the caller's source, 20 ms a time."""
    from kfp.dsl.structures import ResourceSpec

    gpu = {"accelerator_type": "nvidia.com/gpu", "accelerator_count": str(needs.gpu)} if needs.gpu else {}
    return ResourceSpec(cpu_request=needs.cpu, memory_request=needs.memory, memory_limit=needs.memory, **gpu)


def _sized(kind: type, needs: Needs) -> type:
    """The component's class, whose tasks ask for what the step needs; kfp itself keeps that per task only."""

    class SizedComponent(kind):  # type: ignore[misc, valid-type]
        def __call__(self, *given: Any, **named: Any) -> Any:
            task = super().__call__(*given, **named)
            if getattr(task, "container_spec", None) is not None:  # a local call gives outputs, not a task
                task.container_spec.resources = _resources(needs)
            return task

    return SizedComponent


def _check_importable(target: str) -> None:
    """Refuse a step that the process or container which runs it could not import."""
    module = target.partition(":")[0]
    where = "a pipeline file" if module == "__main__" or module.startswith(PIPELINE_MODULE) else ""
    where = "another function" if "<locals>" in target else where
    if where:
        raise UsageError(
            f"a step inside {where} cannot be imported where it runs",
            seen=target.partition(":")[2],
            expected="a function at the top of a module of its own",
            next_step="move it to a file beside the pipeline, such as mysteps.py, and name it mysteps:function",
        )


def _name(step: Any) -> str:
    if isinstance(step, str):
        return step
    name = getattr(step, "__qualname__", repr(step))
    raise UsageError("this function is not a step", seen=name, next_step="put @step() above it")
