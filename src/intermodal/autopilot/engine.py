"""Autopilot on this machine: a budget of candidates, each algorithm first as it comes, then where it promises most."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.autopilot.algorithms import ALGORITHMS, Fitted, Rows, algorithm_named, fit_candidate
from intermodal.autopilot.records import COMPLETED, FAILED, CandidateRecord
from intermodal.autopilot.scores import METRICS, candidate_scores, check_metric, is_better
from intermodal.core.events import log_metric, log_progress
from intermodal.core.tuning_plan import MAXIMIZE, MINIMIZE
from intermodal.errors import UsageError
from intermodal.text.token_rows import read_rows
from intermodal.tuning.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_UNEVEN = 1.5  # times as many rows of the most frequent class as of the rarest


@dataclass(frozen=True)
class Budget:
    """What Autopilot may spend.

    Attributes:
        candidates: Most candidates.
        seconds: Time after which no further candidate begins; 0 for no limit.
    """

    candidates: int = 12
    seconds: int = 0


@dataclass(frozen=True)
class Splits:
    """Rows to learn from, and rows to compare by.

    Attributes:
        train: Training rows.
        validation: Validation rows.
        labels: Class names.
    """

    train: Rows
    validation: Rows
    labels: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Class name → training rows."""
        found = [int((self.train.labels == number).sum()) for number in range(len(self.labels))]
        return dict(zip(self.labels, found, strict=True))

    def warnings(self) -> list[str]:
        """What is wrong with the training rows, in words; Autopilot balances nothing by itself."""
        counts = self.counts
        known = [count for count in counts.values() if count]
        said = [f"Class {name} has no training rows." for name, count in counts.items() if not count]
        if known and max(known) > _UNEVEN * min(known):
            said.append(
                f"The classes are uneven, from {min(known):,} to {max(known):,} rows, and Autopilot balances nothing: "
                "give featurize balance=true."
            )
        return said


def read_splits(features: Path, labels: Sequence[str]) -> Splits:
    """Read training and validation rows.

    Args:
        features: Directory of `featurize`'s output.
        labels: Class names.

    Raises:
        DataRejected: There are no such rows, or they cannot be used.
    """
    read = {name: read_rows(features, name, len(labels)) for name in ("train", "validation")}
    made = {name: Rows(found.texts, found.labels, len(labels)) for name, found in read.items()}
    return Splits(made["train"], made["validation"], tuple(labels))


class Autopilot:
    """One run of Autopilot.

    Args:
        splits: The rows.
        metric: What counts.
        budget: What may be spent.
        algorithms: Which algorithms; all when empty.
        seed: Of everything random.
        kept: Given every candidate that came to a good end.

    Raises:
        UsageError: A metric or an algorithm is unknown, or the budget is empty.
    """

    def __init__(
        self,
        splits: Splits,
        metric: str,
        budget: Budget,
        algorithms: Sequence[str] = (),
        seed: int = 0,
        kept: Callable[[CandidateRecord, Fitted], None] | None = None,
    ) -> None:
        check_metric(metric)
        if budget.candidates < 1 or budget.seconds < 0:
            seen = f"{budget.candidates} candidates, {budget.seconds} s"
            raise UsageError("the budget is too small", seen=seen, expected="1 candidate or more")
        self._splits, self._metric, self._budget, self._seed, self._kept = splits, metric, budget, seed, kept
        chosen = [algorithm_named(name) for name in dict.fromkeys(algorithms or ALGORITHMS)]
        self._algorithms = chosen[: budget.candidates]
        direction = MAXIMIZE if METRICS[metric] else MINIMIZE
        self._searches = {
            item.name: Search(item.space, direction, seed=seed + number) for number, item in enumerate(chosen)
        }
        self._best_of: dict[str, float | None] = {item.name: None for item in self._algorithms}
        self.records: list[CandidateRecord] = []
        self.best: tuple[CandidateRecord, Fitted] | None = None

    def run(self) -> list[CandidateRecord]:
        """Try candidates until the budget is spent; one at least.

        Returns:
            The candidates, in the order of their making.
        """
        began = time.monotonic()
        while len(self.records) < self._budget.candidates:
            if self.records and self._budget.seconds and time.monotonic() - began > self._budget.seconds:
                print(f"the time is over after {len(self.records)} candidates", flush=True)
                break
            number = len(self.records)
            algorithm = self._next(number)
            first = number < len(self._algorithms)
            values = algorithm_named(algorithm).first if first else self._searches[algorithm].ask(number)
            self._settle(number, self._try(number, algorithm, values), asked=not first)
        return self.records

    def _next(self, number: int) -> str:
        """Each algorithm once; then by turns the best one and the next in line."""
        names = [item.name for item in self._algorithms]
        if number < len(names):
            return names[number]
        later = number - len(names)
        if later % 2:
            return names[later // 2 % len(names)]
        best = names[0]
        for name in names:
            if is_better(self._metric, self._best_of[name], self._best_of[best]):
                best = name
        return best

    def _try(self, number: int, algorithm: str, values: dict[str, Any]) -> CandidateRecord:
        name, began = f"candidate-{number:03}-{algorithm.replace('_', '-')}", time.monotonic()
        try:
            fitted = fit_candidate(algorithm, self._splits.train, values, self._seed)
            held_out = self._splits.validation
            metrics = candidate_scores(fitted.predict_proba(held_out.texts), held_out.labels)
        except Exception as error:  # one candidate's failure is a line of the leaderboard
            reason = f"{type(error).__name__}: {error}"[:300]
            return CandidateRecord(name, algorithm, values, FAILED, None, {}, reason, _since(began))
        objective = metrics.get(self._metric)
        reason = "" if objective is not None else f"{self._metric} is not defined for these rows"
        state = COMPLETED if objective is not None else FAILED
        record = CandidateRecord(name, algorithm, values, state, objective, metrics, reason, _since(began))
        if is_better(self._metric, objective, self.best[0].objective if self.best else None):
            self.best = (record, fitted)
        if self._kept is not None and objective is not None:
            self._kept(record, fitted)
        return record

    def _settle(self, number: int, record: CandidateRecord, *, asked: bool) -> None:
        self.records.append(record)
        if asked:
            self._searches[record.algorithm].tell(number, record.objective)
        if is_better(self._metric, record.objective, self._best_of[record.algorithm]):
            self._best_of[record.algorithm] = record.objective
        told = record.reason if record.objective is None else f"{self._metric} {record.objective:.6g}"
        print(f"{record.name}: {told}", flush=True)
        if record.objective is not None:
            log_metric(self._metric, record.objective, number)
        log_progress(len(self.records), self._budget.candidates, "candidates")


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
