"""Which values to try next: optuna's samplers and median rule behind four verbs, the same for the same seed.

Used by the step `tune` on this machine and by the local SageMaker, so that both search alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from intermodal.core.search_space import CATEGORICAL, INTEGER, Range
from intermodal.core.tuning_plan import BAYESIAN, GRID, HYPERBAND, MAXIMIZE, RANDOM
from intermodal.errors import UsageError

_SETTLED = 3  # finished trials before the median rule begins


@dataclass(frozen=True)
class Earlier:
    """A finished trial of an earlier search.

    Attributes:
        parameters: The values that were tried.
        objective: What they gave.
    """

    parameters: dict[str, Any]
    objective: float


@dataclass
class Search:
    """One search.

    Attributes:
        space: What varies.
        direction: "maximize" or "minimize".
        strategy: "bayesian", "random", "hyperband" or "grid".
        seed: Of everything random.
        early_stopping: Whether `report` may tell to stop; hyperband always may.
    """

    space: tuple[Range, ...]
    direction: str = MAXIMIZE
    strategy: str = BAYESIAN
    seed: int = 0
    early_stopping: bool = False
    _study: Any = field(default=None, init=False, repr=False)
    _trials: dict[int, Any] = field(default_factory=dict, init=False, repr=False)
    _distributions: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Open the study.

        Raises:
            UsageError: optuna is not installed.
        """
        optuna = _optuna()
        self._distributions = {item.name: _distribution(item) for item in self.space}
        self._study = optuna.create_study(direction=self.direction, sampler=self._sampler(), pruner=self._pruner())
        if self.strategy == GRID:
            # optuna's own grid ends the study itself, which only `optimize` allows.
            names = [item.name for item in self.space]
            for values in itertools.product(*map(_choices, self.space)):
                self._study.enqueue_trial(dict(zip(names, values, strict=True)))

    def learn(self, earlier: Sequence[Earlier]) -> int:
        """Take over what earlier searches found; how many of them lie within the ranges."""
        optuna, taken = _optuna(), 0
        for item in earlier:
            if all(name in item.parameters for name in self._distributions):
                inner = {one.name: _inward(one, item.parameters[one.name]) for one in self.space}
                fits = all(_contains(self._distributions[name], value) for name, value in inner.items())
                if fits:
                    made = optuna.trial.create_trial(
                        params=inner, distributions=self._distributions, value=item.objective
                    )
                    self._study.add_trial(made)
                    taken += 1
        return taken

    def ask(self, number: int) -> dict[str, Any]:
        """Values for the trial of this number; every number is asked for once."""
        trial = self._study.ask(self._distributions)
        self._trials[number] = trial
        return {item.name: _outward(item, trial.params[item.name]) for item in self.space}

    def report(self, number: int, step: int, value: float) -> bool:
        """Tell a point of a running trial's curve; whether the trial should be stopped."""
        trial = self._trials[number]
        trial.report(value, step)
        return bool((self.early_stopping or self.strategy == HYPERBAND) and trial.should_prune())

    def tell(self, number: int, objective: float | None, stopped: bool = False) -> None:
        """Tell how a trial ended.

        Args:
            number: Which one.
            objective: What it gave; None when it failed.
            stopped: Whether it was stopped early; what it had reached is in its reports.
        """
        from optuna.trial import TrialState

        trial = self._trials.pop(number)
        if stopped:
            self._study.tell(trial, state=TrialState.PRUNED)
        elif objective is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, objective)

    def _sampler(self) -> Any:
        samplers = _optuna().samplers
        if self.strategy in (RANDOM, GRID):
            return samplers.RandomSampler(seed=self.seed)
        return samplers.TPESampler(seed=self.seed, n_startup_trials=min(10, 3 + 2 * len(self.space)))

    def _pruner(self) -> Any:
        pruners = _optuna().pruners
        if self.strategy == HYPERBAND:
            return pruners.HyperbandPruner()
        return pruners.MedianPruner(n_startup_trials=_SETTLED) if self.early_stopping else pruners.NopPruner()


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "tuning needs optuna", seen="it is not installed", next_step="pip install 'intermodal[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _distribution(item: Range) -> Any:
    distributions = _optuna().distributions
    if item.kind == CATEGORICAL:
        return distributions.CategoricalDistribution(_choices(item))
    if item.kind == INTEGER:
        return distributions.IntDistribution(int(item.low), int(item.high), log=item.by_magnitude)
    if item.scale == "reverse_log":
        return distributions.FloatDistribution(1 - item.high, 1 - item.low, log=True)
    return distributions.FloatDistribution(item.low, item.high, log=item.by_magnitude)


def _choices(item: Range) -> tuple[Any, ...]:
    """A categorical range by position, since optuna takes no lists or mappings as values."""
    return tuple(range(len(item.values)))


def _outward(item: Range, value: Any) -> Any:
    """From the study's value to the parameter's."""
    if item.kind == CATEGORICAL:
        return item.values[value]
    return 1 - value if item.scale == "reverse_log" else value


def _inward(item: Range, value: Any) -> Any:
    """From the parameter's value to the study's; None for a value that is not there."""
    if item.kind == CATEGORICAL:
        return item.values.index(value) if value in item.values else None
    return 1 - value if item.scale == "reverse_log" else value


def _contains(distribution: Any, value: Any) -> bool:
    return value is not None and bool(distribution._contains(distribution.to_internal_repr(value)))
