"""Requests to AWS as values: rendered without asking anybody, printed, compared in tests, then sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.settings import JobSettings, SageMakerSettings
from intermodal.core.step import StepSpec


@dataclass(frozen=True)
class Request:
    """One call of an AWS service.

    Attributes:
        service: Its name in boto3, such as "sagemaker".
        operation: The API's operation, such as "CreateTrainingJob".
        parameters: The request, in the API's own spelling.
        task: The task of the pipeline that it is for; empty when it is for the run.
        unknown: Paths within `parameters` (such as "ProcessingInputs.0.S3Input.S3Uri") whose values are
            known only while the pipeline runs, and stand here as they may look.
    """

    service: str
    operation: str
    parameters: dict[str, Any]
    task: str = ""
    unknown: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The request as `intermodal render --json` prints it."""
        return {
            "task": self.task,
            "service": self.service,
            "operation": self.operation,
            "request": self.parameters,
            "unknown_until_run": list(self.unknown),
        }

    @property
    def digest(self) -> str:
        """sha256 over service, operation and parameters."""
        text = json.dumps([self.service, self.operation, self.parameters], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Place:
    """The account's places that requests name.

    Attributes:
        account: Account number, twelve digits.
        region: AWS region.
        role: ARN of the execution role.
        store: Root of the artifact store, s3://….
    """

    account: str
    region: str
    role: str
    store: str


@dataclass(frozen=True)
class TaskPlan:
    """One task, with everything that its requests are a pure function of.

    Attributes:
        pipeline: The pipeline's name.
        run_id: The intermodal run; only tags may name it, so that a task's job is the same in every run.
        task: The task's name in the pipeline.
        spec: Its step.
        parameters: The step's parameters, complete and canonical; data on this machine already on S3.
        inputs: Input name → URIs of its artifacts, all on S3.
        image: Image reference.
        settings: `[sagemaker]`.
        place: Where.
        nonce: Distinguishes jobs that must not be shared, such as those of a run without cache.
        attempt: Number of the attempt, from 1: a job's name can never be used again.
        unknown_inputs: Inputs whose URIs are known only while the pipeline runs.
        unknown_parameters: Parameters whose values are known only while the pipeline runs.
        use_cache: Whether the job itself may answer with a remembered result.
        machine: Mark of the machine that follows the job, for a tag; empty where none does.
        contents: URI of an input → names of its files, where SageMaker is given them one by one, without the manifest.
    """

    pipeline: str
    run_id: str
    task: str
    spec: StepSpec
    parameters: dict[str, Any]
    inputs: dict[str, tuple[str, ...]]
    image: str
    settings: SageMakerSettings
    place: Place
    nonce: str = ""
    attempt: int = 1
    unknown_inputs: tuple[str, ...] = field(default=())
    unknown_parameters: tuple[str, ...] = field(default=())
    use_cache: bool = True
    machine: str = ""
    contents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def job(self) -> JobSettings:
        """What jobs of this step are given."""
        return self.settings.job_of(self.spec.name)
