"""An execution of a pipeline: steps started when what they wait for is done, branches taken, results reused.

When a step fails, nothing new is started, and what runs is let run to its end; a Fail step stops it.
"""

from __future__ import annotations

import json
import queue
import threading
from typing import Any

from intermodal.runtime.sagemaker.pipelines.policies import duration_seconds
from intermodal.runtime.sagemaker.pipelines.schema import all_steps, inner_steps, own_arguments, waits_for
from intermodal.runtime.sagemaker.pipelines.step_types import STEP_TYPES
from intermodal.runtime.sagemaker_local.answers import now
from intermodal.runtime.sagemaker_local.jobs import Job
from intermodal.runtime.sagemaker_local.pipeline_step_run import StepFailure, StepRun, cache_key
from intermodal.runtime.sagemaker_local.pipeline_values import Unresolved, Values, json_reader, typed_arguments

EXECUTING, SUCCEEDED, FAILED, STOPPED = "Executing", "Succeeded", "Failed", "Stopped"
_REASON = "Step failure: One or multiple steps failed."


class PipelineExecution(Job):
    """See `Job`. Its request holds the pipeline's name and definition, the arguments and the parallelism."""

    kind = "PipelineExecution"
    arn_part = "pipeline"

    @classmethod
    def arn_of(cls, service: Any, name: str, request: dict[str, Any]) -> str:
        """See `Job.arn_of`."""
        return str(service.arn(f"pipeline/{request['PipelineName'].lower()}/execution/{name}"))

    @property
    def definition(self) -> dict[str, Any]:
        """The definition that it runs."""
        return dict(json.loads(self.request["PipelineDefinition"]))

    def declared(self) -> list[dict[str, Any]]:
        """All steps of the definition, those inside conditions too."""
        return list(all_steps(self.definition["Steps"]))

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """The steps that were started: name → what is known."""
        found: dict[str, dict[str, Any]] = self.record.facts.setdefault("steps", {})
        return found

    def describe(self) -> dict[str, Any]:
        """See `Job.describe`."""
        return {"PipelineExecutionArn": self.arn, "PipelineExecutionStatus": self.status}

    def run(self) -> None:
        """See `Job.run`."""
        _Run(self).to_the_end()

    def again(self) -> None:
        """Go on after a failure or a stop: what succeeded stands."""
        with self.changing() as record:
            for name in [name for name, step in self.steps.items() if step["StepStatus"] != SUCCEEDED]:
                del self.steps[name]
            record.ended, record.status, record.failure = 0.0, EXECUTING, ""
        self.stopping.clear()
        self._done.clear()
        self.start()

    def note(self, name: str, **fields: Any) -> None:
        """Write down what a step has come to."""
        with self.changing():
            self.steps.setdefault(name, {"StepName": name}).update(fields)


class _Run:
    """One run through a definition."""

    def __init__(self, execution: PipelineExecution) -> None:
        self._execution, self._service = execution, execution.service
        definition, request = execution.definition, execution.request
        self._steps = {step["Name"]: step for step in all_steps(definition["Steps"])}
        self._outer = {inner["Name"]: step for step in definition["Steps"] for inner in inner_steps(step)}
        pipeline = self._service.arn(f"pipeline/{request['PipelineName'].lower()}")
        variables = {
            "PipelineName": request["PipelineName"],
            "PipelineArn": pipeline,
            "PipelineExecutionId": execution.name,
            "PipelineExecutionArn": execution.arn,
            "StartDateTime": str(execution.record.created),
        }
        arguments = {item["Name"]: item["Value"] for item in request.get("PipelineParameters", [])}
        self._values = Values(
            typed_arguments(definition, arguments), variables, json_reader(self._service.client("s3"))
        )
        self._values.files = {name: step.get("PropertyFiles", []) for name, step in self._steps.items()}
        self._limit = (request.get("ParallelismConfiguration") or {}).get("MaxParallelExecutionSteps", 50)
        self._ended: queue.Queue[str] = queue.Queue()
        self._running: set[str] = set()
        self._halt = threading.Event()  # stops the jobs of this execution

    def to_the_end(self) -> None:
        """Run everything that is to be run."""
        for name, step in self._execution.steps.items():  # of an earlier try
            self._values.steps[name] = step.get("properties", {})
        while True:
            if self._execution.stopping.is_set():
                self._halt.set()
            elif not self._failed():
                self._start_ready()
            if not self._running:
                break
            try:
                self._running.discard(self._ended.get(timeout=0.2))
            except queue.Empty:
                continue
        self._finish()

    def _finish(self) -> None:
        if self._execution.stopping.is_set():
            self._execution.finish(STOPPED)
        elif self._failed():
            self._execution.finish(FAILED, _REASON)
        else:
            self._execution.finish(SUCCEEDED)

    def _failed(self) -> bool:
        return any(step["StepStatus"] == FAILED for step in list(self._execution.steps.values()))

    def _start_ready(self) -> None:
        """Start what may be started; a condition is decided at once, so that its branch may follow at once."""
        started = True
        while started:
            started = False
            for name, step in self._steps.items():
                if name in self._execution.steps or not self._is_ready(name):
                    continue
                if len(self._running) >= self._limit and STEP_TYPES[step["Type"]].create:
                    continue
                started = True
                self._start(name, step)
                if self._failed():
                    return

    def _is_ready(self, name: str) -> bool:
        around = self._outer.get(name)
        if around is not None and not self._is_chosen(name, around):
            return False
        return all(self._is_done(other) for other in waits_for(self._steps[name]))

    def _is_done(self, name: str) -> bool:
        return self._execution.steps.get(name, {}).get("StepStatus") == SUCCEEDED

    def _is_chosen(self, name: str, around: dict[str, Any]) -> bool:
        outcome = self._execution.steps.get(around["Name"], {}).get("properties", {}).get("Outcome")
        branch = {"True": "IfSteps", "False": "ElseSteps"}.get(outcome or "", "")
        return name in [inner["Name"] for inner in around["Arguments"].get(branch) or []]

    def _start(self, name: str, step: dict[str, Any]) -> None:
        self._execution.note(name, StartTime=now(), StepStatus=EXECUTING, Type=step["Type"])
        if step["Type"] == "Condition":
            self._guarded(name, lambda: self._decide(name, step))
        elif step["Type"] == "Fail":
            self._guarded(name, lambda: self._fail(name, step))
        else:
            self._running.add(name)
            threading.Thread(target=self._work, args=(name, step), name=f"step {name}", daemon=True).start()

    def _guarded(self, name: str, act: Any) -> None:
        """Do a step's work; whatever it raises is its failure."""
        try:
            act()
        except StepFailure as failure:
            status = STOPPED if failure.stopped else FAILED
            self._execution.note(name, StepStatus=status, EndTime=now(), FailureReason=failure.reason[:1024])
        except Unresolved as error:
            self._execution.note(name, StepStatus=FAILED, EndTime=now(), FailureReason=f"ClientError: {error}"[:1024])
        except Exception as error:  # the execution must not hang on a step that nobody ends
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            self._execution.note(name, StepStatus=FAILED, EndTime=now(), FailureReason=reason[:1024])

    def _decide(self, name: str, step: dict[str, Any]) -> None:
        outcome = str(all(self._values.holds(item) for item in step["Arguments"]["Conditions"]))
        self._done(name, {"Outcome": outcome}, {"Condition": {"Outcome": outcome}})

    def _fail(self, name: str, step: dict[str, Any]) -> None:
        message = str(self._values.resolve(step["Arguments"]["ErrorMessage"]))[:3072]
        self._execution.note(name, Metadata={"Fail": {"ErrorMessage": message}})
        self._halt.set()
        raise StepFailure(message)

    def _work(self, name: str, step: dict[str, Any]) -> None:
        try:
            self._guarded(name, lambda: self._job(name, step))
        finally:
            self._ended.put(name)

    def _job(self, name: str, step: dict[str, Any]) -> None:
        kind = STEP_TYPES[step["Type"]]
        if not kind.create:
            raise StepFailure(f"ClientError: a {step['Type']} step is not run on this machine")
        arguments = self._values.resolve(own_arguments(step))
        key = cache_key(step, arguments)
        hit = self._cached(name, key, step) if key else None
        if hit is not None:
            self._done(
                name, hit[1]["properties"], hit[1]["Metadata"], CacheHitResult={"SourcePipelineExecutionArn": hit[0]}
            )
            return

        def made(arn: str) -> None:
            self._execution.note(name, Metadata={kind.metadata: {"Arn": arn}})

        run = StepRun(self._service, step, self._execution.name, self._halt, made)
        try:
            properties = run.run(arguments)
        finally:
            self._execution.note(name, AttemptCount=run.attempts)
        self._done(name, properties, self._execution.steps[name]["Metadata"], cache_key=key)

    def _done(self, name: str, properties: dict[str, Any], metadata: dict[str, Any], **fields: Any) -> None:
        self._values.steps[name] = properties
        self._execution.note(
            name, StepStatus=SUCCEEDED, EndTime=now(), properties=properties, Metadata=metadata, **fields
        )

    def _cached(self, name: str, key: str, step: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """The latest result of the same step with the same arguments, in whichever execution of this pipeline."""
        expires = step["CacheConfig"].get("ExpireAfter")
        since = now() - (duration_seconds(expires) or 0.0) if expires else 0.0
        for other in reversed(self._service.jobs.all(PipelineExecution)):
            found = other.steps.get(name, {})
            same = other.request["PipelineName"] == self._execution.request["PipelineName"]
            if (
                same
                and found.get("cache_key") == key
                and found["StepStatus"] == SUCCEEDED
                and found["EndTime"] >= since
            ):
                return other.arn, found
        return None
