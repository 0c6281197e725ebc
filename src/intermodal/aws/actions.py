"""From calls of AWS's API to the IAM actions that they need, and which calls follow which.

Two tables hold what no request says of itself: what is called later to follow, stop or delete the thing
that a request makes, and which actions know no resources, so that AWS takes "*" for them alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from intermodal.core.nested import members

# Actions that support no resource-level permissions, and why each is needed.
UNSCOPED = {
    "application-autoscaling:DescribeScalableTargets": "how far an endpoint may grow",
    "cloudwatch:PutMetricData": "a job's metrics; limited to SageMaker's namespaces",
    "ec2:DescribeDhcpOptions": "SageMaker looks at the VPC of a job",
    "ec2:DescribeNetworkInterfaces": "SageMaker looks at the VPC of a job",
    "ec2:DescribeSecurityGroups": "SageMaker looks at the VPC of a job",
    "ec2:DescribeSubnets": "SageMaker looks at the VPC of a job",
    "ec2:DescribeVpcs": "SageMaker looks at the VPC of a job",
    "ecr:GetAuthorizationToken": "pulling images begins with a token for the whole registry",
    "emr-serverless:CreateApplication": "the Spark application is made when there is none",
    "redshift-data:CancelStatement": "a statement is named by its id alone; only its owner may",
    "redshift-data:DescribeStatement": "a statement is named by its id alone; only its owner may",
    "redshift-data:GetStatementResult": "a statement is named by its id alone; only its owner may",
    "sagemaker:ListAutoMLJobs": "intermodal reap",
    "sagemaker:ListCandidatesForAutoMLJob": "Autopilot's candidates",
    "sagemaker:ListEndpointConfigs": "what an endpoint leaves behind",
    "sagemaker:ListEndpoints": "intermodal reap",
    "sagemaker:ListHyperParameterTuningJobs": "intermodal reap",
    "sagemaker:ListModels": "what an endpoint leaves behind",
    "sagemaker:ListMonitoringExecutions": "what a monitoring schedule did",
    "sagemaker:ListMonitoringSchedules": "intermodal reap",
    "sagemaker:ListPipelines": "intermodal reap",
    "sagemaker:ListProcessingJobs": "intermodal reap",
    "sagemaker:ListTrainingJobs": "intermodal reap",
    "sagemaker:ListTransformJobs": "intermodal reap",
}

# Noun in SageMaker's operations → resource type in its ARNs; the longest noun wins.
NOUNS = {
    "AutoMLJob": "automl-job",
    "DataQualityJobDefinition": "data-quality-job-definition",
    "Endpoint": "endpoint",
    "EndpointConfig": "endpoint-config",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job",
    "Model": "model",
    "ModelPackage": "model-package",
    "ModelPackageGroup": "model-package-group",
    "ModelQualityJobDefinition": "model-quality-job-definition",
    "MonitoringSchedule": "monitoring-schedule",
    "Pipeline": "pipeline",
    "ProcessingJob": "processing-job",
    "TrainingJob": "training-job",
    "TransformJob": "transform-job",
}

# What is called on the thing that an operation makes: to follow it, to stop it, to delete it.
FOLLOWED = {
    "CreateAutoMLJobV2": ("DescribeAutoMLJobV2", "StopAutoMLJob", "ListCandidatesForAutoMLJob"),
    "CreateDataQualityJobDefinition": ("DescribeDataQualityJobDefinition", "DeleteDataQualityJobDefinition"),
    "CreateEndpoint": (
        "DescribeEndpoint",
        "DeleteEndpoint",
        "InvokeEndpoint",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
    ),
    "CreateEndpointConfig": ("DescribeEndpointConfig", "DeleteEndpointConfig", "ListEndpointConfigs"),
    "CreateHyperParameterTuningJob": (
        "DescribeHyperParameterTuningJob",
        "StopHyperParameterTuningJob",
        "ListTrainingJobsForHyperParameterTuningJob",
    ),
    "CreateModel": ("DescribeModel", "DeleteModel"),
    "CreateModelPackage": ("DescribeModelPackage", "UpdateModelPackage", "ListModelPackages"),
    "CreateModelPackageGroup": ("DescribeModelPackageGroup",),
    "CreateModelQualityJobDefinition": ("DescribeModelQualityJobDefinition", "DeleteModelQualityJobDefinition"),
    "CreateMonitoringSchedule": (
        "DescribeMonitoringSchedule",
        "UpdateMonitoringSchedule",
        "StopMonitoringSchedule",
        "DeleteMonitoringSchedule",
        "ListMonitoringExecutions",
    ),
    "CreatePipeline": (
        "DescribePipeline",
        "UpdatePipeline",
        "DeletePipeline",
        "StartPipelineExecution",
        "ListPipelineExecutions",
    ),
    "CreateProcessingJob": ("DescribeProcessingJob", "StopProcessingJob"),
    "CreateTrainingJob": ("DescribeTrainingJob", "StopTrainingJob"),
    "CreateTransformJob": ("DescribeTransformJob", "StopTransformJob"),
    "StartPipelineExecution": (
        "DescribePipelineExecution",
        "StopPipelineExecution",
        "ListPipelineExecutionSteps",
    ),
}

# Operations whose action is called otherwise; None where no permission is needed.
_RENAMED: dict[tuple[str, str], tuple[str, ...]] = {
    ("s3", "HeadObject"): ("s3:GetObject",),
    ("s3", "CopyObject"): ("s3:GetObject", "s3:PutObject"),
    ("s3", "HeadBucket"): ("s3:ListBucket",),
    ("s3", "ListObjects"): ("s3:ListBucket",),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("s3", "CreateMultipartUpload"): ("s3:PutObject",),
    ("s3", "UploadPart"): ("s3:PutObject",),
    ("s3", "CompleteMultipartUpload"): ("s3:PutObject",),
    ("s3", "ListParts"): ("s3:ListMultipartUploadParts",),
    ("s3", "DeleteObjects"): ("s3:DeleteObject",),
    ("sts", "GetCallerIdentity"): (),
}
_PREFIXES = {
    "sagemaker-runtime": "sagemaker",
    "sagemaker-metrics": "sagemaker",
    "emr-containers": "emr-containers",
    "service-quotas": "servicequotas",
    "application-autoscaling": "application-autoscaling",
    "resourcegroupstaggingapi": "tag",
}
# A listing of a thing's parts is an action on the thing.
_CHILD_LISTINGS = {
    "ListTrainingJobsForHyperParameterTuningJob": "HyperParameterTuningJob",
    "ListPipelineExecutionSteps": "Pipeline",
    "ListModelPackages": "ModelPackage",
}


def actions_of(service: str, operation: str, parameters: dict[str, object] | None = None) -> tuple[str, ...]:
    """The IAM actions that a call needs, leave to pass a role among them.

    Args:
        service: Its name in boto3.
        operation: Such as "CreateTrainingJob".
        parameters: The request; tags and roles in it need leave of their own.
    """
    renamed = _RENAMED.get((service, operation))
    made = (f"{_PREFIXES.get(service, service)}:{operation}",) if renamed is None else renamed
    if service == "sagemaker" and parameters and parameters.get("Tags") and operation != "AddTags":
        made += ("sagemaker:AddTags",)
    return (*made, "iam:PassRole") if any(True for _ in roles_in(parameters)) else made


def roles_in(value: object) -> Iterator[str]:
    """ARNs of the roles that a request passes, wherever in it they stand."""
    for key, item in members(value):
        if key.lower() in ("rolearn", "executionrolearn") and isinstance(item, str):
            yield item


def resource_type(operation: str) -> str:
    """The type in the ARN of what a SageMaker operation works on; empty when it knows no resources.

    Args:
        operation: Such as "StopTrainingJob".
    """
    if f"sagemaker:{operation}" in UNSCOPED:
        return ""
    noun = noun_of(operation)
    return f"{NOUNS[noun]}" if noun else ""


def noun_of(operation: str) -> str:
    """The thing that a SageMaker operation works on, as its operations name it; empty when it is none of `NOUNS`."""
    if operation in _CHILD_LISTINGS:
        return _CHILD_LISTINGS[operation]
    rest = operation.removesuffix("V2").removesuffix("WeightsAndCapacities")
    if "PipelineExecution" in rest:
        return "Pipeline"
    return max((noun for noun in NOUNS if rest.endswith(noun)), key=len, default="")
