"""What is asked of services beside SageMaker, as statements: Athena, Glue, Redshift, EMR, scaling of endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from intermodal.aws.client import partition_of
from intermodal.aws.policy import Statement
from intermodal.aws.policy_parts import STORE_ACTIONS, sorted_out
from intermodal.aws.request import Place, Request
from intermodal.aws.resources import arn


def data_statements(requests: Iterable[Request], place: Place) -> Iterator[Statement]:
    """What requests to services other than SageMaker need, and what follows them: Athena, Glue, Redshift, EMR.

    Args:
        requests: Any requests.
        place: The account's places.
    """
    for request in requests:
        describe = _OTHERS.get(request.service)
        if describe is not None:
            yield from describe(request, place)


def _athena(request: Request, place: Place) -> Iterator[Statement]:
    fields = request.parameters
    group = str(fields.get("WorkGroup") or fields.get("Name") or "primary")
    actions = [f"athena:{request.operation}", "athena:GetWorkGroup"]
    if request.operation == "StartQueryExecution":
        actions += ["athena:GetQueryExecution", "athena:GetQueryResults", "athena:StopQueryExecution"]
    if fields.get("Tags"):
        actions.append("athena:TagResource")
    yield Statement("Athena", tuple(actions), (arn(place, "athena", f"workgroup/{group}"),))
    database = fields.get("QueryExecutionContext", {}).get("Database")
    if database:
        reading = ("glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartition", "glue:GetPartitions")
        writing = ("glue:CreateDatabase", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable")
        partitions = ("glue:BatchCreatePartition", "glue:BatchUpdatePartition")
        yield Statement("Catalogue", (*reading, *writing, *partitions), tuple(_tables(place, str(database))))
    results = str(fields.get("ResultConfiguration", {}).get("OutputLocation", ""))
    bucket, _, prefix = results.removeprefix("s3://").partition("/")
    if bucket:  # Athena asks where the bucket is before it writes into it
        bucket_arn = f"arn:{partition_of(place.region)}:s3:::{bucket}"
        yield Statement("Where", ("s3:GetBucketLocation",), (bucket_arn,))
        if not results.startswith(f"{place.store}/"):
            yield Statement("QueryResults", STORE_ACTIONS, (f"{bucket_arn}/{prefix.rstrip('/')}/*",))


def _glue(request: Request, place: Place) -> Iterator[Statement]:
    fields = request.parameters
    given = fields.get("DatabaseInput", {}) if request.operation == "CreateDatabase" else {}
    database = str(fields.get("DatabaseName") or given.get("Name") or fields.get("Name", ""))
    yield Statement("Catalogue", (f"glue:{request.operation}", "glue:GetTable"), tuple(_tables(place, database)))


def _tables(place: Place, database: str) -> list[str]:
    names = ("catalog", f"database/{database}", f"table/{database}/*")
    return [arn(place, "glue", name) for name in names]


def _redshift(request: Request, place: Place) -> Iterator[Statement]:
    fields = request.parameters
    if fields.get("ClusterIdentifier"):
        resource = arn(place, "redshift", f"cluster:{fields['ClusterIdentifier']}")
    else:
        # The data API names a workgroup, IAM its id.
        resource = arn(place, "redshift-serverless", "workgroup/*")
    yield Statement("Redshift", (f"redshift-data:{request.operation}",), (resource,))
    after = ("DescribeStatement", "GetStatementResult", "CancelStatement")
    yield from sorted_out("Redshift", [f"redshift-data:{item}" for item in after], (), place)
    if fields.get("SecretArn"):
        yield Statement("RedshiftSecret", ("secretsmanager:GetSecretValue",), (str(fields["SecretArn"]),))
    elif not fields.get("ClusterIdentifier"):
        yield Statement("RedshiftLogin", ("redshift-serverless:GetCredentials",), (resource,))
    else:
        user = f"dbuser:{fields['ClusterIdentifier']}/{fields.get('DbUser', '')}"
        database = f"dbname:{fields['ClusterIdentifier']}/{fields.get('Database', '')}"
        resources = tuple(arn(place, "redshift", item) for item in (user, database))
        yield Statement("RedshiftLogin", ("redshift:GetClusterCredentials",), resources)


def _emr(request: Request, place: Place) -> Iterator[Statement]:
    fields, service = request.parameters, request.service
    if request.operation == "CreateApplication":
        yield from sorted_out("Spark", [f"{service}:{request.operation}"], (), place)
        return
    if service == "emr-serverless":
        base = arn(place, service, f"/applications/{fields.get('applicationId', '')}")
        after = ("GetJobRun", "CancelJobRun")
    else:
        base = arn(place, service, f"/virtualclusters/{fields.get('virtualClusterId', '')}")
        after = ("DescribeJobRun", "CancelJobRun")
    tag = (f"{service}:TagResource",) if fields.get("tags") else ()
    yield Statement("Spark", (f"{service}:{request.operation}", f"{service}:ListJobRuns", *tag), (base,))
    yield Statement("SparkRuns", (*(f"{service}:{item}" for item in after), *tag), (f"{base}/jobruns/*",))


def _scaling(request: Request, place: Place) -> Iterator[Statement]:
    actions = [f"application-autoscaling:{item}" for item in _SCALING]
    targets = (arn(place, "application-autoscaling", "scalable-target/*"),)
    yield from sorted_out("Scaling", actions, targets, place)


_SCALING = ("RegisterScalableTarget", "PutScalingPolicy", "DeregisterScalableTarget", "DescribeScalableTargets")
_OTHERS: dict[str, Callable[[Request, Place], Iterator[Statement]]] = {
    "application-autoscaling": _scaling,
    "athena": _athena,
    "emr-containers": _emr,
    "emr-serverless": _emr,
    "glue": _glue,
    "redshift-data": _redshift,
}
