"""The step contract: what the decorator adds, and what the signature already says.

A step is a typed function in Kubeflow Pipelines' own types. `@step` adds only what a signature cannot
say (image family, resources, capabilities) and returns the very same function, so that it can still be
called, tested and debugged as a plain function. `StepSpec` is everything that the other doors (KFP
component, MLproject entry point, command line, SageMaker request) are generated from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from intermodal.errors import UsageError

FAMILIES = ("core", "spark", "torch", "tensorflow", "serve")
JOBS = ("processing", "training", "managed")
PARALLEL = ("", "processes", "hosts")
_ATTRIBUTE = "__intermodal__"
_EMPTY = inspect.Parameter.empty

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Needs:
    """What a step needs from the place where it runs, beyond its signature.

    Attributes:
        image: Image family whose packages the step imports; one of `FAMILIES`.
        cpu: Cores, as Kubernetes writes them ("2", "500m").
        memory: Memory, as Kubernetes writes it ("2Gi").
        gpu: Number of accelerators; 0 for none.
        capabilities: What the place must offer, such as "internet", "mlflow" or "shared-memory".
        sources: Parameters that name data outside the store; their content enters the cache key.
        still_valid: "module:function" asked before a cached result is used; it is given the cached
            outputs' metadata and returns None, or why the result no longer stands.
        job: What the step is on SageMaker: a "processing" or a "training" job, or "managed", when a service
            of AWS does the work itself and the step renders and follows that service's own job.
        parallel: How several processes share the step's work: "processes" when torchrun calls the function in
            each, "hosts" when it is called once on each host; empty when one process does it all.
        managed: For a managed step, "module:function" of the pure function TaskPlan → list of `Request`.
    """

    image: str = "core"
    cpu: str = "1"
    memory: str = "2Gi"
    gpu: int = 0
    capabilities: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    still_valid: str = ""
    job: str = "processing"
    managed: str = ""
    parallel: str = ""


@dataclass(frozen=True)
class Parameter:
    """One plain parameter of a step.

    Attributes:
        name: Its name in the signature.
        type: str, int, float, bool, list or dict.
        default: Its default; meaningless when `required`.
        required: True when the signature gives no default.
        doc: Its line of the docstring.
        element: Innermost type of the elements of a list or the values of a dict; `object` when not said.
    """

    name: str
    type: type
    default: Any
    required: bool
    doc: str = ""
    element: Any = object


@dataclass(frozen=True)
class Slot:
    """One artifact that a step takes or makes.

    Attributes:
        name: Its name in the signature.
        schema: KFP's schema title, such as "system.Dataset".
        optional: True for an input that may be absent.
        doc: Its line of the docstring.
    """

    name: str
    schema: str
    optional: bool = False
    doc: str = ""


@dataclass(frozen=True)
class StepSpec:
    """A step as a value, read from its function alone.

    Attributes:
        name: Registry name, by default the function's name.
        target: "module:function", from which any runtime can import it.
        summary: First line of the docstring.
        needs: What the decorator added.
        parameters: Plain parameters, in the order of the signature.
        inputs: Input artifacts.
        outputs: Output artifacts.
        return_types: Plain values it returns, name → type; "Output" names a single one.
        injected: Arguments that KFP fills in, such as the final status of an exit handler.
    """

    name: str
    target: str
    summary: str
    needs: Needs
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Slot, ...] = ()
    return_types: dict[str, type] = field(default_factory=dict)
    injected: tuple[str, ...] = ()

    @property
    def returns(self) -> tuple[str, ...]:
        """Names of the plain values it returns."""
        return tuple(self.return_types)

    def parameter(self, name: str) -> Parameter:
        """The parameter called `name`.

        Raises:
            UsageError: There is none.
        """
        found = [item for item in self.parameters if item.name == name]
        if not found:
            names = ", ".join(item.name for item in self.parameters)
            raise UsageError(f"step {self.name} has no parameter of that name", seen=name, expected=names)
        return found[0]


def step(
    *,
    image: str = "core",
    cpu: str = "1",
    memory: str = "2Gi",
    gpu: int = 0,
    capabilities: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    still_valid: str = "",
    job: str = "processing",
    managed: str = "",
    parallel: str = "",
) -> Callable[[Function], Function]:
    """Mark a typed KFP function as a step; see `Needs` for the arguments.

    Returns:
        A decorator that returns the function itself, unchanged but for one attribute.

    Raises:
        UsageError: `image` is not a known family, `job` not a kind of job, or `parallel` not a way to share work.
    """
    if image not in FAMILIES:
        raise UsageError("unknown image family", seen=image, expected=", ".join(FAMILIES))
    if job not in JOBS:
        raise UsageError("unknown kind of SageMaker job", seen=job, expected=", ".join(JOBS))
    if parallel not in PARALLEL:
        raise UsageError("unknown way to share a step's work", seen=parallel, expected=", ".join(PARALLEL[1:]))
    needs = Needs(
        image, str(cpu), memory, gpu, tuple(capabilities), tuple(sources), still_valid, job, managed, parallel
    )

    def mark(function: Function) -> Function:
        setattr(function, _ATTRIBUTE, needs)
        return function

    return mark


def is_step(value: object) -> bool:
    """Whether `value` is a function marked with `@step`."""
    return inspect.isfunction(value) and isinstance(getattr(value, _ATTRIBUTE, None), Needs)


def spec_of(function: Callable[..., Any]) -> StepSpec:
    """Read the specification of a step from its function.

    Args:
        function: A function marked with `@step`.

    Returns:
        Its specification.

    Raises:
        UsageError: The function is not a step, or a type in its signature is not one KFP knows.
    """
    from intermodal.core.signature import read_signature

    if not is_step(function):
        name = getattr(function, "__qualname__", repr(function))
        raise UsageError("this function is not a step", seen=name, next_step="put @step() above it")
    return read_signature(function, getattr(function, _ATTRIBUTE))
