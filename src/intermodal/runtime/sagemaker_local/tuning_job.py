"""A tuning job: starts training jobs with the values that a search gives, as many at a time as it may, and learns."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from intermodal.core.search_space import CATEGORICAL, CONTINUOUS, INTEGER, Range, text_of
from intermodal.core.tuning_plan import GRID
from intermodal.runtime.sagemaker_local.answers import present
from intermodal.runtime.sagemaker_local.jobs import Job, JobRecord
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.training_job import TrainingJob

OBJECTIVE_PARAMETER = "_tuning_objective_metric"
_LOOK = 0.1  # seconds between two looks at the training jobs
_ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."
_SCALES = {"Auto": "auto", "Linear": "linear", "Logarithmic": "log", "ReverseLogarithmic": "reverse_log"}
_HANDED_ON = (
    "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig", "StoppingCondition", "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "RetryStrategy", "Environment",
)  # fmt: skip


class TuningJob(Job):
    """See `Job`."""

    kind = "HyperParameterTuningJob"
    arn_part = "hyper-parameter-tuning-job"

    def __init__(self, service: Service, record: JobRecord) -> None:
        super().__init__(service, record)
        self._config = self.request["HyperParameterTuningJobConfig"]
        self._definition = self.request.get("TrainingJobDefinition", {})
        goal = self._config.get("HyperParameterTuningJobObjective") or {}
        self.metric, self._most = goal.get("MetricName", ""), goal.get("Type", "Maximize") == "Maximize"

    def children(self) -> list[TrainingJob]:
        """Its training jobs, the oldest first."""
        names = self.record.facts.get("children", {})
        found = [self.service.jobs.find(TrainingJob.kind, name) for name in names]
        return [job for job in found if isinstance(job, TrainingJob)]

    def describe(self) -> dict[str, Any]:
        """See `Job.describe`."""
        from intermodal.runtime.sagemaker_local.tuning import describe_tuning

        return describe_tuning(self)

    def summary_of(self, child: TrainingJob) -> dict[str, Any]:
        """One training job, as the lists and `BestTrainingJob` tell of it."""
        value = self.objective_of(child)
        final = {"Type": "Maximize" if self._most else "Minimize", "MetricName": self.metric, "Value": value}
        status = "Pending" if not child.ended else "Succeeded" if value is not None else "Failed"
        return present(
            {
                "TrainingJobDefinitionName": self._definition.get("DefinitionName"),
                "TrainingJobName": child.name,
                "TrainingJobArn": child.arn,
                "CreationTime": child.record.created,
                "TrainingStartTime": child.record.started or None,
                "TrainingEndTime": child.record.ended or None,
                "TrainingJobStatus": child.status,
                "FailureReason": child.record.failure,
                "FinalHyperParameterTuningJobObjectiveMetric": None if value is None else final,
                "ObjectiveStatus": status,
            }
        ) | {"TunedHyperParameters": self.record.facts["children"][child.name]}

    def objective_of(self, child: TrainingJob) -> float | None:
        """The objective of a training job that has ended; None when it printed none."""
        if not child.ended:
            return None
        told = child.record.facts.get("FinalMetricDataList", [])
        return next((float(item["Value"]) for item in told if item["MetricName"] == self.metric), None)

    def best(self) -> TrainingJob | None:
        """The best training job that completed; of equals the first."""
        done = [(self.objective_of(job), job) for job in self.children() if job.status == "Completed"]
        known = [(value, job) for value, job in done if value is not None]
        if not known:
            return None
        return (max if self._most else min)(known, key=lambda item: item[0])[1]

    def run(self) -> None:
        """See `Job.run`."""
        conductor = _Conductor(self, self._config, self._definition, self._most)
        ended = conductor.run()
        if ended:
            self.finish(ended)
        elif self.children() and all(job.status == "Failed" for job in self.children()):
            self.finish("Failed", _ALL_FAILED)
        else:
            self.finish("Completed")


class _Conductor:
    """Keeps training jobs running until there have been enough."""

    def __init__(self, job: TuningJob, config: dict[str, Any], definition: dict[str, Any], most: bool) -> None:
        from intermodal.tuning.search import Search

        self._job, self._config, self._definition = job, config, definition
        self.space = read_ranges(config.get("ParameterRanges") or definition.get("HyperParameterRanges") or {})
        limits, size = config["ResourceLimits"], 1
        for item in self.space:
            size *= max(1, item.size)
        grid = config["Strategy"].lower() == GRID
        self._wanted = size if grid else limits.get("MaxNumberOfTrainingJobs", 1)
        self._parallel = limits["MaxParallelTrainingJobs"]
        self._longest = limits.get("MaxRuntimeInSeconds", 0)
        self._search = Search(
            self.space,
            "maximize" if most else "minimize",
            config["Strategy"].lower(),
            config.get("RandomSeed", int(hashlib.sha256(job.name.encode()).hexdigest()[:6], 16)),
            config.get("TrainingJobEarlyStoppingType") == "Auto",
        )
        self._most = most
        self._running: dict[int, TrainingJob] = {}
        self._told: dict[int, int] = {}
        self._early: set[int] = set()

    def run(self) -> str:
        """Run all; "Stopped" when it was stopped or its time was over, else nothing."""
        self._learn()
        began, started = time.monotonic(), 0
        try:
            while started < self._wanted or self._running:
                if self._job.stopping.is_set() or (self._longest and time.monotonic() - began > self._longest):
                    return "Stopped"
                while started < self._wanted and len(self._running) < self._parallel and not self._reached():
                    self._start(started)
                    started += 1
                if self._reached() and not self._running:
                    break
                self._look()
                self._job.stopping.wait(_LOOK)
            return ""
        finally:
            self._end()

    def _learn(self) -> None:
        """What parents found, whose values lie within the ranges."""
        from intermodal.tuning.search import Earlier

        warm = self._job.request.get("WarmStartConfig", {})
        known = []
        for item in warm.get("ParentHyperParameterTuningJobs", []):
            parent = self._job.service.jobs.find(TuningJob.kind, item["HyperParameterTuningJobName"])
            if isinstance(parent, TuningJob):
                for child in parent.children():
                    value = parent.objective_of(child)
                    if value is not None and child.status == "Completed":
                        texts = parent.record.facts["children"][child.name]
                        known.append(Earlier(self._values(texts), value))
        self._search.learn(known)

    def _values(self, texts: dict[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in self.space:
            if item.name in texts:
                text = texts[item.name]
                found[item.name] = (
                    text if item.kind == CATEGORICAL else int(text) if item.kind == INTEGER else float(text)
                )
        return found

    def _start(self, number: int) -> None:
        tuned = {name: text_of(value) for name, value in self._search.ask(number).items()}
        mark = hashlib.sha256(json.dumps([self._job.name, number, tuned]).encode()).hexdigest()[:8]
        name = f"{self._job.name}-{number + 1:03}-{mark}"
        with self._job.changing() as record:
            record.facts.setdefault("children", {})[name] = tuned
        facts = {"TuningJobArn": self._job.arn}
        request = self._child_request(name, tuned)
        self._running[number] = self._job.service.jobs.add(TrainingJob, name, request, facts=facts)

    def _child_request(self, name: str, tuned: dict[str, str]) -> dict[str, Any]:
        definition = self._definition
        static = definition.get("StaticHyperParameters", {})
        resources = definition.get("ResourceConfig") or _resources(definition["HyperParameterTuningResourceConfig"])
        made = {key: definition[key] for key in _HANDED_ON if key in definition}
        if "CheckpointConfig" in definition:
            config = definition["CheckpointConfig"]
            made["CheckpointConfig"] = {**config, "S3Uri": f"{config['S3Uri'].rstrip('/')}/{name}/"}
        return {
            "TrainingJobName": name,
            "HyperParameters": {**static, **tuned, OBJECTIVE_PARAMETER: self._job.metric},
            "AlgorithmSpecification": definition["AlgorithmSpecification"],
            "ResourceConfig": resources,
            **made,
            "Tags": self._job.request.get("Tags", []),
        }

    def _look(self) -> None:
        """Tell the search what is new; stop those that fall behind."""
        for number, child in list(self._running.items()):
            over = child.ended
            values = child.values_of(self._job.metric)
            for step in range(self._told.get(number, 0), len(values)):
                if number not in self._early and self._search.report(number, step, values[step]) and not over:
                    self._early.add(number)
                    child.stop()
            self._told[number] = len(values)
            if over:
                completed = child.status == "Completed"
                objective = self._job.objective_of(child) if completed else None
                self._search.tell(number, objective, stopped=number in self._early and not completed)
                del self._running[number]

    def _reached(self) -> bool:
        """Whether a criterion says that it is enough."""
        criteria = self._config.get("TuningJobCompletionCriteria", {})
        done = [self._job.objective_of(job) for job in self._job.children() if job.status == "Completed"]
        values = [value if self._most else -value for value in done if value is not None]
        goal = criteria.get("TargetObjectiveMetricValue")
        if goal is not None and values and max(values) >= (goal if self._most else -goal):
            return True
        patience = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
        return bool(patience and values and len(values) - 1 - values.index(max(values)) >= patience)

    def _end(self) -> None:
        """Nothing of it runs on."""
        for child in self._running.values():
            child.stop()
        for child in self._running.values():
            child.wait(self._job.service.options.grace + 30)


def read_ranges(given: dict[str, Any]) -> tuple[Range, ...]:
    """Ranges in the API's form; categorical values stay the texts that they are.

    Args:
        given: `ParameterRanges`.
    """
    found = [
        Range(item["Name"], CATEGORICAL, values=tuple(item["Values"]))
        for item in given.get("CategoricalParameterRanges", [])
    ]
    for kind, member in ((CONTINUOUS, "ContinuousParameterRanges"), (INTEGER, "IntegerParameterRanges")):
        found += [
            Range(item["Name"], kind, float(item["MinValue"]), float(item["MaxValue"]), _SCALES[_scaling(item)])
            for item in given.get(member, [])
        ]
    return tuple(sorted(found, key=lambda item: item.name))


def _scaling(item: dict[str, Any]) -> str:
    return str(item.get("ScalingType", "Auto"))


def _resources(config: dict[str, Any]) -> dict[str, Any]:
    """The first of the configurations that a tuning may choose from."""
    first = (config.get("InstanceConfigs") or [config])[0]
    kept = {key: first[key] for key in ("InstanceType", "InstanceCount", "VolumeSizeInGB") if key in first}
    return {"VolumeSizeInGB": 1, **kept}
