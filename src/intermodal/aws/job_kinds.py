"""The kinds of SageMaker jobs, and how each one's answers are to be read: one table for all who follow jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intermodal.aws.calls import Calls

IN_PROGRESS, COMPLETED, FAILED, STOPPING, STOPPED = "InProgress", "Completed", "Failed", "Stopping", "Stopped"
ENDED = frozenset({COMPLETED, FAILED, STOPPED, "Deleting", "DeleteFailed"})
REQUEST_VARIABLE = "INTERMODAL_REQUEST"  # in a job's environment: the digest of what it was asked
REQUEST_TAG = "intermodal:request"  # the same, on jobs whose description tells no environment


@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Attributes:
        name: As its operations name it: "Training" in "CreateTrainingJob".
        prefix: As its members name it: "TrainingJob" in "TrainingJobName".
        create: Operation that creates one.
        log_group: CloudWatch group of its containers' logs; empty when its children have the logs.
        page: Part of the console's address.
        service: The service that runs it, by its name in boto3.
    """

    name: str
    prefix: str
    create: str
    log_group: str
    page: str
    service: str = "sagemaker"

    @property
    def describe(self) -> str:
        """Operation that describes one."""
        return self.create.replace("Create", "Describe", 1)

    @property
    def stop(self) -> str:
        """Operation that stops one."""
        return f"Stop{self.create.removeprefix('Create').removesuffix('V2')}"

    @property
    def name_member(self) -> str:
        """Member with its name."""
        return f"{self.prefix}Name"

    def named(self, name: str) -> dict[str, str]:
        """The request that names one."""
        return {self.name_member: name}

    def status(self, description: dict[str, Any]) -> str:
        """InProgress, Completed, Failed, Stopping or Stopped."""
        return str(description.get(f"{self.prefix}Status", ""))

    def start(self, calls: Calls, parameters: dict[str, Any]) -> None:
        """Create one; a name that is taken is refused.

        Args:
            calls: The service.
            parameters: The request.

        Raises:
            RuntimeFailed: The service refused, or did not answer.
        """
        calls(self.create, **parameters)

    def look(self, calls: Calls, name: str) -> dict[str, Any]:
        """Describe one; a name that nobody has is refused.

        Args:
            calls: The service.
            name: Its name.

        Raises:
            RuntimeFailed: The service refused, or did not answer.
        """
        return calls(self.describe, **self.named(name))

    def halt(self, calls: Calls, name: str) -> None:
        """Tell one to stop.

        Args:
            calls: The service.
            name: Its name.

        Raises:
            RuntimeFailed: The service refused, or did not answer.
        """
        calls(self.stop, **self.named(name))

    def address(self, name: str, region: str) -> str:
        """Address of its page in AWS's console."""
        return page_of(self, name, region)


TRAINING = JobKind("Training", "TrainingJob", "CreateTrainingJob", "/aws/sagemaker/TrainingJobs", "jobs")
PROCESSING = JobKind(
    "Processing", "ProcessingJob", "CreateProcessingJob", "/aws/sagemaker/ProcessingJobs", "processing-jobs"
)
TRANSFORM = JobKind("Transform", "TransformJob", "CreateTransformJob", "/aws/sagemaker/TransformJobs", "transform-jobs")
TUNING = JobKind(
    "HyperParameterTuning", "HyperParameterTuningJob", "CreateHyperParameterTuningJob", "", "hyper-tuning-jobs"
)
AUTOML = JobKind("AutoML", "AutoMLJob", "CreateAutoMLJobV2", "", "autopilot")
KINDS = {kind.create: kind for kind in (TRAINING, PROCESSING, TRANSFORM, TUNING, AUTOML)}


def page_of(kind: JobKind, name: str, region: str) -> str:
    """Address of a job's page in AWS's console.

    Args:
        kind: Its kind.
        name: Its name.
        region: Its region.
    """
    return f"{console_of(region)}/sagemaker/home?region={region}#/{kind.page}/{name}"


def console_of(region: str) -> str:
    """Address of AWS's console in a region."""
    domains = {"cn-": "amazonaws.cn", "us-gov-": "amazonaws-us-gov.com"}
    domain = next((name for start, name in domains.items() if region.startswith(start)), "aws.amazon.com")
    return f"https://{region}.console.{domain}"


def story_of(description: dict[str, Any]) -> str:
    """In which phase a job is, in AWS's words: "Downloading: Downloading input data"; empty when it says nothing."""
    secondary = str(description.get("SecondaryStatus") or description.get("AutoMLJobSecondaryStatus") or "")
    transitions = description.get("SecondaryStatusTransitions") or []
    message = str(transitions[-1].get("StatusMessage", "")) if transitions else ""
    return f"{secondary}: {message}".strip(": ") if message and message != secondary else secondary
