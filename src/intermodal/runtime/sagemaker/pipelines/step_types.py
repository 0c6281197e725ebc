"""The types of steps in a SageMaker pipeline: which operations each one calls, and what its properties are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_INDEX = re.compile(r"\[('[^']*'|\"[^\"]*\"|\d+)\]")


@dataclass(frozen=True)
class StepType:
    """One type of step.

    Attributes:
        create: Operation whose request its arguments are; empty when it makes nothing.
        describe: Operation whose answer its properties are.
        name_member: Member with the name that the service gives.
        prefix: Prefix of the status and ARN members: "TrainingJob"; empty when there is no status.
        metadata: Its member in the metadata of an executed step.
        cache_key: Arguments that SageMaker's cache compares; empty where a step is never cached.
        fields: Properties, where no operation describes it.
    """

    create: str = ""
    describe: str = ""
    name_member: str = ""
    prefix: str = ""
    metadata: str = ""
    cache_key: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def input_shape(self) -> Any:
        """Botocore's shape of its arguments."""
        return _operation(self.create).input_shape

    def has_property(self, path: str) -> bool:
        """Whether a step of this type has a property.

        Args:
            path: Such as "ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri".
        """
        if not self.describe:
            return not self.fields or path.partition(".")[0] in self.fields
        shape = _operation(self.describe).output_shape
        for word in path_words(path):
            if shape.type_name == "structure" and word in shape.members:
                shape = shape.members[word]
            elif shape.type_name == "list":
                shape = shape.member
            elif shape.type_name == "map":
                shape = shape.value
            else:
                return False
        return True


def path_words(path: str) -> list[str]:
    """The words of a property's path: members, and what stands in brackets."""
    return [word for word in _INDEX.sub(lambda found: f".{found[1].strip(chr(39) + chr(34))}", path).split(".") if word]


_PROCESSING = ("AppSpecification", "Environment", "ProcessingInputs")
_TRAINING = (
    "AlgorithmSpecification",
    "CheckpointConfig",
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "Environment",
    "HyperParameters",
    "InputDataConfig",
)

# Cache keys: "Default cache key attributes by pipeline step type", SageMaker's developer guide.
STEP_TYPES: dict[str, StepType] = {
    "Processing": StepType(
        "CreateProcessingJob",
        "DescribeProcessingJob",
        "ProcessingJobName",
        "ProcessingJob",
        "ProcessingJob",
        _PROCESSING,
    ),
    "Training": StepType(
        "CreateTrainingJob", "DescribeTrainingJob", "TrainingJobName", "TrainingJob", "TrainingJob", _TRAINING
    ),
    "Tuning": StepType(
        "CreateHyperParameterTuningJob",
        "DescribeHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJob",
        "TuningJob",
        ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
    ),
    "AutoML": StepType(
        "CreateAutoMLJob",
        "DescribeAutoMLJob",
        "AutoMLJobName",
        "AutoMLJob",
        "AutoMLJob",
        ("AutoMLJobConfig", "AutoMLJobObjective", "InputDataConfig", "ProblemType"),
    ),
    "Transform": StepType(
        "CreateTransformJob",
        "DescribeTransformJob",
        "TransformJobName",
        "TransformJob",
        "TransformJob",
        ("BatchStrategy", "DataProcessing", "Environment", "MaxPayloadInMB", "ModelName", "TransformInput"),
    ),
    "Model": StepType("CreateModel", "DescribeModel", "ModelName", "", "Model"),
    "RegisterModel": StepType("CreateModelPackage", "DescribeModelPackage", "", "ModelPackage", "RegisterModel"),
    "EndpointConfig": StepType(
        "CreateEndpointConfig", "DescribeEndpointConfig", "EndpointConfigName", "", "EndpointConfig"
    ),
    "Endpoint": StepType("CreateEndpoint", "DescribeEndpoint", "EndpointName", "Endpoint", "Endpoint"),
    "Condition": StepType(metadata="Condition", fields=("Outcome",)),
    "Fail": StepType(metadata="Fail", fields=("ErrorMessage",)),
    "Callback": StepType(metadata="Callback", fields=("OutputParameters",)),
    "Lambda": StepType(metadata="Lambda", fields=("OutputParameters",)),
}


@lru_cache(maxsize=64)
def _operation(name: str) -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("sagemaker").operation_model(name)
