"""A task inside a step of a SageMaker pipeline: nobody of ours started it, so it finds by itself what it is given.

Its file says where each value and artifact comes from. The arguments of the execution, and the names of
the jobs before it, are variables; under those names the tasks before it have left in the store how they
ended. Everything else is what any job does (`job_task`); what it comes to is recorded in MLflow from here.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from intermodal.aws.surroundings import RUN_VARIABLE
from intermodal.core.executor_input import OPTIONS, TaskInput, parse
from intermodal.core.hosts import hosts_here
from intermodal.errors import ArtifactCorrupt, IntermodalError, RuntimeFailed
from intermodal.runtime.answer import finite
from intermodal.runtime.context import TaskContext
from intermodal.runtime.failure import failure_of
from intermodal.runtime.outcome import FAILED, Outcome, write_atomically
from intermodal.runtime.pod import Place
from intermodal.runtime.recording import Recording
from intermodal.runtime.sagemaker.job_files import (
    JOB_VARIABLE,
    in_container,
    is_training,
    journal_key,
    opt_ml,
    outcome_key,
)
from intermodal.runtime.sagemaker.job_task import run_job_task, tell_failure
from intermodal.runtime.sagemaker.pipelines.job_steps import OUTCOME_FILE, OUTCOME_PATH
from intermodal.runtime.sagemaker.pipelines.parameters import read_argument
from intermodal.runtime.sagemaker.pipelines.sources import read_source
from intermodal.runtime.sagemaker.pipelines.task_file import ARGUMENT_VARIABLE, FROM_VARIABLE, KEY
from intermodal.store.inputs import DIGEST_KEY
from intermodal.store.locate import open_store

# How SageMaker names the jobs of a pipeline: pipelines-EXECUTION-STEP-RANDOM.
_JOB_NAME = re.compile(r"pipelines-([a-z0-9]{12})-")


def is_pipeline_task(given: TaskInput) -> bool:
    """Whether an ExecutorInput is the file of a pipeline's task."""
    return KEY in given.raw.get(OPTIONS, {})


def run_pipeline_task(function: Callable[..., Any], given: TaskInput, context: TaskContext) -> Outcome:
    """Run a task of a SageMaker pipeline.

    Args:
        function: The step's function.
        given: The task's file.
        context: What the environment says.

    Returns:
        How it ended; the same is in the store under the job's name, and where the pipeline's conditions read it.
    """
    fields, job = given.raw[OPTIONS][KEY], job_name()
    os.environ[JOB_VARIABLE] = job
    context = replace(context, task=fields["task"])
    place = Place(execution_of(job), fields["task"], job)
    os.environ[RUN_VARIABLE] = execution_of(job)  # whose the jobs are that a managed step asks for
    try:
        ready = with_values(given, context.settings.store)
    except IntermodalError as error:
        outcome = Outcome(state=FAILED, error=failure_of(error, context.task).to_json())
        tell_failure(outcome)
        return outcome
    if not hosts_here().is_first:
        return run_job_task(function, ready, context)  # the first host says how the task ended
    with tempfile.TemporaryDirectory(prefix="intermodal-pipeline-", ignore_cleanup_errors=True) as folder:
        context = replace(context, folder=Path(folder))
        recording = Recording(function, ready, context, place)
        context = replace(context, mlflow_run_id=recording.mlflow_run_id)
        outcome = _tried(fields.get("retries", 0), lambda: run_job_task(function, ready, context))
        _show(outcome)
        recording.journal(_journal(context.settings.store, job))
        recording.end(outcome)
    return outcome


def _tried(retries: int, run: Callable[[], Outcome]) -> Outcome:
    """Run, and run again after a failure as often as the pipeline says: SageMaker repeats its own failures alone."""
    outcome = run()
    for left in range(retries, 0, -1):
        if outcome.state != FAILED:
            break
        print(f"{outcome.error.get('headline', 'it failed')}; trying again, {left} left", file=sys.stderr, flush=True)
        outcome = run()
    return outcome


def job_name() -> str:
    """The name of the job that this container belongs to, as SageMaker tells it.

    Raises:
        RuntimeFailed: Nothing tells.
    """
    told = os.environ.get("TRAINING_JOB_NAME", "")
    path = opt_ml() / "config" / "processingjobconfig.json"
    if not told and path.is_file():
        told = str(json.loads(path.read_text()).get("ProcessingJobArn", "")).rpartition("/")[2]
    if told:
        return told
    raise RuntimeFailed("this is no job of SageMaker", seen=f"no TRAINING_JOB_NAME, no {path}", expected="a job's name")


def execution_of(job: str) -> str:
    """The pipeline's execution that a job belongs to; the job itself where its name does not tell."""
    found = _JOB_NAME.match(job)
    return found[1] if found else job


@dataclass
class _Known:
    """What is known here: see `sources.Known`."""

    fields: dict[str, Any]
    store: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def argument(self, name: str) -> Any:
        text = os.environ.get(ARGUMENT_VARIABLE.format(name=name), "")
        return read_argument(name, self.fields["arguments"][name], text)

    def returned(self, task: str, name: str) -> Any:
        values = self.outcome(task).values
        if name not in values:
            raise RuntimeFailed(f"task {task} returned no {name}", seen=", ".join(values) or "nothing", expected=name)
        return values[name]

    def outcome(self, task: str) -> Outcome:
        """How a task before this one ended."""
        if task not in self.outcomes:
            self.outcomes[task] = self._read(task)
        return self.outcomes[task]

    def _read(self, task: str) -> Outcome:
        job = os.environ.get(FROM_VARIABLE.format(index=self.fields["from"].index(task)), "")
        content = open_store(self.store).read(outcome_key(job)) if job else None
        if content is None:
            raise ArtifactCorrupt(
                f"task {task} has left nothing behind",
                seen=f"no {outcome_key(job)} in {self.store}",
                expected="how it ended, written at its end",
                next_step="start the pipeline again; if it happens again, read the log of that task's job",
            )
        return Outcome.from_fields(json.loads(content))


def with_values(given: TaskInput, store: str) -> TaskInput:
    """The ExecutorInput with the parameters and inputs of this execution.

    Args:
        given: The task's file.
        store: Root of the artifact store.

    Raises:
        ArtifactCorrupt: A task before this one has left nothing.
        RuntimeFailed: A value cannot be had.
        UsageError: An argument of the execution has the wrong type.
    """
    raw = json.loads(json.dumps(given.raw))
    fields = raw[OPTIONS].pop(KEY)
    known = _Known(fields, store)
    values = {name: read_source(source).resolve(known) for name, source in fields["parameters"].items()}
    raw["inputs"] = {
        "parameterValues": {name: value for name, value in values.items() if value is not None},
        "artifacts": {
            name: {"artifacts": [_artifact(name, known.outcome(item["task"]), item["output"]) for item in items]}
            for name, items in fields["inputs"].items()
        },
    }
    return parse(json.dumps(raw))


def _artifact(name: str, outcome: Outcome, output: str) -> dict[str, Any]:
    if output not in outcome.outputs:
        expected = ", ".join(outcome.outputs) or "nothing"
        raise ArtifactCorrupt("a task before this one has not made an artifact", seen=output, expected=expected)
    made = outcome.outputs[output]
    metadata = {**finite(made.metadata), DIGEST_KEY: made.digest}
    return {"name": name, "type": {"schemaTitle": made.schema}, "uri": made.uri, "metadata": metadata}


def _show(outcome: Outcome) -> None:
    """Leave the outcome where SageMaker takes it to where the pipeline's conditions read it."""
    if not is_training():
        folder = in_container(OUTCOME_PATH)
        write_atomically(folder / OUTCOME_FILE, json.dumps(finite(asdict(outcome)), default=str))


def _journal(store: str, job: str) -> list[dict[str, Any]]:
    """Everything the step said: its curves."""
    content = open_store(store).read(journal_key(job))
    return [json.loads(line) for line in (content or b"").decode().splitlines() if line.strip()]
