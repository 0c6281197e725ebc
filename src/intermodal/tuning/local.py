"""A tuning on this machine: trials in batches, each in a process of its own; the same for the same seed.

A batch is asked for together and told together, so that the order in which its trials happen to end decides nothing.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.core.events import log_metric, log_progress
from intermodal.core.tuning_plan import GRID, TuningPlan, grid_size
from intermodal.tuning.records import COMPLETED, FAILED, STOPPED, TrialRecord
from intermodal.tuning.running import RunningTrial
from intermodal.tuning.search import Earlier, Search
from intermodal.tuning.trial import TrialRequest

_LOOK = 0.05  # seconds between two looks at the trials that run


class LocalTuning:
    """One tuning.

    Args:
        plan: What to do.
        features: Path of the features.
        metadata: Their metadata.
        folder: Where trials work; the best one's model stays there.
    """

    def __init__(self, plan: TuningPlan, features: Path, metadata: Mapping[str, Any], folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self._features, self._metadata = str(features), dict(metadata)
        self.search = Search(plan.space, plan.direction, plan.strategy, plan.seed, plan.early_stopping)
        self.trials: list[TrialRecord] = []
        self._done: dict[str, TrialRecord] = {}
        self._best: TrialRecord | None = None
        self._wanted = min(plan.trials, grid_size(plan)) if plan.strategy == GRID else plan.trials

    def learn(self, earlier: list[Earlier]) -> int:
        """Begin with what earlier tunings found; how many of their trials lie within the ranges."""
        return self.search.learn(earlier)

    def run(self) -> list[TrialRecord]:
        """Run all trials, or as many as the time allows; one at least.

        Returns:
            The trials, by number.
        """
        began = time.monotonic()
        while len(self.trials) < self._wanted:
            if self.trials and self.plan.max_seconds and time.monotonic() - began > self.plan.max_seconds:
                print(f"the time is over after {len(self.trials)} of {self._wanted} trials", flush=True)
                break
            first = len(self.trials)
            numbers = range(first, min(first + self.plan.parallel, self._wanted))
            for record in self._batch({number: self.search.ask(number) for number in numbers}):
                self._settle(record)
        return self.trials

    def model_of(self, trial: TrialRecord) -> Path:
        """Where the model of the best trial lies."""
        return self._folder(trial.number) / "outputs" / "model"

    def metadata_of(self, trial: TrialRecord) -> dict[str, Any]:
        """What the best trial's model says of itself."""
        answer = json.loads((self._folder(trial.number) / "answer.json").read_text(encoding="utf-8"))
        return dict(answer["metadata"])

    def _batch(self, asked: dict[int, dict[str, Any]]) -> list[TrialRecord]:
        """Run trials at the same time; values that were tried before are not tried again."""
        running: dict[int, _Watched] = {}
        same: dict[int, str] = {}
        started: set[str] = set()
        try:
            for number, values in asked.items():
                key = json.dumps(values, sort_keys=True)
                if key in self._done or key in started:
                    same[number] = key
                    continue
                started.add(key)
                running[number] = _Watched(number, self._start(number, values), self)
            _wait_for(list(running.values()))
        finally:
            for trial in running.values():
                trial.end()
        for number, trial in running.items():
            self._done[json.dumps(asked[number], sort_keys=True)] = trial.record(asked[number])
        return [self._record(number, values, same.get(number)) for number, values in asked.items()]

    def _record(self, number: int, values: dict[str, Any], same: str | None) -> TrialRecord:
        found = self._done[same or json.dumps(values, sort_keys=True)]
        return replace(found, number=number, seconds=0.0) if same else found

    def _start(self, number: int, values: dict[str, Any]) -> RunningTrial:
        print(f"trial {number}: {json.dumps(values)}", flush=True)
        parameters = {**self.plan.fixed, **values}
        request = TrialRequest(self.plan.spec.target, parameters, self._features, self._metadata)
        return RunningTrial(request, self._folder(number))

    def _settle(self, record: TrialRecord) -> None:
        """Tell the search, keep the best model and no other."""
        self.search.tell(record.number, record.objective, record.state == STOPPED)
        self.trials.append(record)
        log_progress(len(self.trials), self._wanted, "trials")
        told = f"{record.objective:.6g}" if record.objective is not None else record.reason.splitlines()[0][:200]
        print(f"trial {record.number}: {record.state.lower()}, {told}", flush=True)
        if record.objective is not None:
            log_metric(self.plan.metric, record.objective, record.number)
        before = self._best
        if record.state == COMPLETED and self.plan.better(record.objective, before.objective if before else None):
            self._best = record
        losers = {item.number for item in (record, before) if item is not None and item is not self._best}
        for number in losers:
            shutil.rmtree(self._folder(number), ignore_errors=True)

    def _folder(self, number: int) -> Path:
        return self.folder / f"trial-{number:04}"


class _Watched:
    """A running trial, its curve reported to the search."""

    def __init__(self, number: int, trial: RunningTrial, owner: LocalTuning) -> None:
        self._number, self._trial, self._owner = number, trial, owner
        self._last: float | None = None
        self._seen: set[int] = set()
        self._stopped = False

    def look(self) -> bool:
        """Read what is new; whether it is over."""
        over = self._trial.ended()
        for event in self._trial.events():
            if event.get("event") == "metric" and event["name"] == self._owner.plan.metric and not self._stopped:
                self._point(int(event["step"]), float(event["value"]))
        if self._stopped and not over:
            self._trial.stop()
        return over or self._stopped

    def _point(self, step: int, value: float) -> None:
        self._last = value
        if step not in self._seen:
            self._seen.add(step)
            self._stopped = self._owner.search.report(self._number, step, value)

    def end(self) -> None:
        """Stop it, if it runs."""
        if not self._trial.ended():
            self._trial.stop()

    def record(self, values: dict[str, Any]) -> TrialRecord:
        """How it ended."""
        seconds = round(self._trial.seconds, 3)
        if self._stopped:
            reason = "stopped early: behind the median of the others"
            return TrialRecord(self._number, values, STOPPED, self._last, {}, reason, seconds)
        answer, metric = self._trial.answer(), self._owner.plan.metric
        objective = answer.metrics.get(metric, self._last)
        if answer.error or objective is None or not math.isfinite(objective):
            known = ", ".join(sorted(answer.metrics)) or "none"
            reason = answer.error or f"the step logged no {metric}; it logged {known}"
            return TrialRecord(self._number, values, FAILED, None, answer.metrics, reason, seconds)
        return TrialRecord(self._number, values, COMPLETED, objective, answer.metrics, "", seconds)


def _wait_for(trials: list[_Watched]) -> None:
    """Look at all of them, again and again, until the last is over."""
    while True:
        looks = [trial.look() for trial in trials]
        if all(looks):
            return
        time.sleep(_LOOK)
