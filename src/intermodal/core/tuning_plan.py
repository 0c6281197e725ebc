"""A tuning as a value: which step, which ranges, how often, by which strategy; read from the parameters of `tune`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from intermodal.core.registry import load_spec
from intermodal.core.search_space import CATEGORICAL, Range, read_space
from intermodal.core.step import StepSpec
from intermodal.core.values import canonical
from intermodal.errors import UsageError

BAYESIAN, RANDOM, HYPERBAND, GRID = STRATEGIES = ("bayesian", "random", "hyperband", "grid")
MAXIMIZE, MINIMIZE = DIRECTIONS = ("maximize", "minimize")
FEATURES, MODEL, METRICS = "features", "model", "metrics"


@dataclass(frozen=True)
class TuningPlan:
    """A tuning.

    Attributes:
        spec: The training step.
        space: What varies.
        fixed: Parameters that do not vary, complete but for those that have their default.
        metric: The metric that counts, as the step logs it.
        direction: "maximize" or "minimize".
        trials: Most trials.
        parallel: Trials at a time.
        strategy: "bayesian", "random", "hyperband" or "grid".
        early_stopping: Whether a trial that falls behind the median of the others is stopped.
        max_seconds: Time after which no further trial begins; 0 for no limit.
        seed: Of the search, and of the training where that has a seed.
        warm_start: Names of earlier tuning jobs on SageMaker.
        transfer: Whether the earlier ones were of other data.
    """

    spec: StepSpec
    space: tuple[Range, ...]
    fixed: dict[str, Any]
    metric: str
    direction: str
    trials: int
    parallel: int
    strategy: str
    early_stopping: bool
    max_seconds: int
    seed: int
    warm_start: tuple[str, ...] = field(default=())
    transfer: bool = False

    def better(self, one: float | None, other: float | None) -> bool:
        """Whether one objective is better than another; one that is not known is worse than all."""
        if one is None or other is None:
            return one is not None
        return one > other if self.direction == MAXIMIZE else one < other


def read_tuning_plan(parameters: dict[str, Any]) -> TuningPlan:
    """Read the parameters of the step `tune`.

    Args:
        parameters: All of them, by their names in the step.

    Raises:
        UsageError: There is no such training step, or it cannot be tuned; a range, a parameter or an option is wrong.
    """
    spec = load_spec(parameters["train"])
    check_tunable(spec)
    space = read_space(parameters["ranges"], spec)
    strategy = _one_of("strategy", parameters["strategy"], STRATEGIES)
    plan = TuningPlan(
        spec=spec,
        space=space,
        fixed=_fixed(parameters["fixed"], spec, space, parameters["seed"]),
        metric=parameters["metric"],
        direction=_one_of("direction", parameters["direction"], DIRECTIONS),
        trials=parameters["trial_count"],
        parallel=min(parameters["parallel"], parameters["trial_count"]),
        strategy=strategy,
        early_stopping=parameters["early_stopping"],
        max_seconds=parameters["max_seconds"],
        seed=parameters["seed"],
        warm_start=tuple(parameters["warm_start"]),
        transfer=parameters["transfer"],
    )
    _check(plan)
    return plan


def check_tunable(spec: StepSpec) -> None:
    """Refuse a step that is no training step: features in, a model and metrics out.

    Args:
        spec: The step.

    Raises:
        UsageError: It needs other inputs, or does not make these outputs.
    """
    needed = [slot.name for slot in spec.inputs if not slot.optional]
    made = {slot.name: slot.schema for slot in spec.outputs}
    if needed != [FEATURES] or made.get(MODEL) != "system.Model" or made.get(METRICS) != "system.Metrics":
        seen = f"{spec.name}: takes {', '.join(needed) or 'nothing'}, makes {', '.join(made) or 'nothing'}"
        expected = "a step that takes `features` and makes `model` and `metrics`, as train_pytorch does"
        raise UsageError("this step cannot be tuned", seen=seen, expected=expected)


def _fixed(given: dict[str, Any], spec: StepSpec, space: tuple[Range, ...], seed: int) -> dict[str, Any]:
    both = sorted(set(given) & {item.name for item in space})
    if both:
        raise UsageError("a parameter is both fixed and tuned", seen=", ".join(both), expected="one of both")
    fixed = {name: canonical(spec.parameter(name), value) for name, value in sorted(given.items())}
    names = {item.name for item in spec.parameters}
    if "seed" in names and "seed" not in {*fixed, *(item.name for item in space)}:
        fixed["seed"] = seed
    missing = [
        item.name
        for item in spec.parameters
        if item.required and item.name not in fixed and item.name not in {one.name for one in space}
    ]
    if missing:
        raise UsageError(f"step {spec.name} misses a parameter", seen=", ".join(missing), expected="it in fixed")
    return fixed


def _check(plan: TuningPlan) -> None:
    for name, value in (("trials", plan.trials), ("parallel", plan.parallel)):
        if value < 1:
            raise UsageError(f"{name} is too small", seen=value, expected="1 or more")
    if plan.max_seconds < 0 or plan.seed < 0:
        raise UsageError("a number of the tuning is negative", seen=f"max_seconds {plan.max_seconds}, seed {plan.seed}")
    if not plan.metric:
        raise UsageError("no metric is named", expected="such as validation_accuracy")
    if plan.strategy == GRID and any(item.kind != CATEGORICAL for item in plan.space):
        wrong = ", ".join(item.name for item in plan.space if item.kind != CATEGORICAL)
        raise UsageError("a grid needs categorical ranges alone", seen=wrong, expected="lists of values")


def grid_size(plan: TuningPlan) -> int:
    """How many combinations a grid has."""
    return math.prod(item.size for item in plan.space)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value.lower() not in known:
        raise UsageError(f"{name} is unknown", seen=value, expected=", ".join(known))
    return value.lower()
