"""Policies from requests: no more than the requests and what follows them, and nothing that a linter faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from intermodal.aws.actions import FOLLOWED, NOUNS, UNSCOPED, actions_of, resource_type
from intermodal.aws.execution_policy import execution_policy, general_execution_policy, trust_policy
from intermodal.aws.policy import MANAGED_LIMIT, Policy, Statement, policy_of, policy_problems
from intermodal.aws.request import Place, Request
from intermodal.aws.resources import name_pattern, uris_in
from intermodal.aws.submitter_policy import submitter_policy
from policy_linter import allows, findings, resource_types

ROLE = "arn:aws:iam::123456789012:role/intermodal-execution"
PLACE = Place("123456789012", "eu-west-1", ROLE, "s3://bucket/intermodal")
SAGEMAKER = "arn:aws:sagemaker:eu-west-1:123456789012"
OURS = {"aws_ResourceAccount": "123456789012"}
HERE = {"aws_RequestedRegion": "eu-west-1"}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def training(**more: Any) -> Request:
    fields: dict[str, Any] = {
        "TrainingJobName": "reviews-train-0123456789ab",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/intermodal/torch@sha256:" + "0" * 64
        },
        "Tags": [{"Key": "intermodal", "Value": "1"}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/intermodal/jobs"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        **more,
    }
    return Request("sagemaker", "CreateTrainingJob", fields, "train")


def processing(**more: Any) -> Request:
    fields = {"ProcessingJobName": "reviews-ingest-0123456789ab", "RoleArn": ROLE, **more}
    return Request("sagemaker", "CreateProcessingJob", fields, "ingest")


TUNING = Request(
    "sagemaker",
    "CreateHyperParameterTuningJob",
    {"HyperParameterTuningJobName": "reviews-tune-0123456789ab", "TrainingJobDefinition": {"RoleArn": ROLE}},
)
AUTOML = Request("sagemaker", "CreateAutoMLJobV2", {"AutoMLJobName": "reviews-auto-0123456789ab"[:32], "RoleArn": ROLE})
ENDPOINT = [
    Request("sagemaker", "CreateModel", {"ModelName": "reviews-model-0123456789ab", "ExecutionRoleArn": ROLE}),
    Request("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "reviews-cfg-0123456789ab"}),
    Request(
        "sagemaker", "CreateEndpoint", {"EndpointName": "reviews", "EndpointConfigName": "reviews-cfg-0123456789ab"}
    ),
    Request("application-autoscaling", "RegisterScalableTarget", {"ResourceId": "endpoint/reviews/variant/a"}),
]
DATA = [
    Request("athena", "CreateWorkGroup", {"Name": "intermodal", "Tags": [{"Key": "intermodal", "Value": "1"}]}),
    Request(
        "athena",
        "StartQueryExecution",
        {
            "QueryString": "SELECT 1",
            "WorkGroup": "intermodal",
            "QueryExecutionContext": {"Database": "reviews"},
            "ResultConfiguration": {"OutputLocation": "s3://bucket/intermodal/athena/"},
        },
    ),
    Request("glue", "CreateDatabase", {"DatabaseInput": {"Name": "reviews"}}),
    Request("glue", "BatchCreatePartition", {"DatabaseName": "reviews", "TableName": "t"}),
    Request("redshift-data", "ExecuteStatement", {"WorkgroupName": "w", "Sql": "SELECT 1"}),
    Request("redshift-data", "ExecuteStatement", {"ClusterIdentifier": "c", "DbUser": "u", "Database": "d"}),
    Request("emr-serverless", "StartJobRun", {"applicationId": "app1", "executionRoleArn": ROLE, "tags": {"a": "b"}}),
    Request("emr-containers", "StartJobRun", {"virtualClusterId": "vc1", "executionRoleArn": ROLE}),
]
PACKAGES = [
    Request("sagemaker", "CreateModelPackageGroup", {"ModelPackageGroupName": "reviews"}),
    Request("sagemaker", "CreateModelPackage", {"ModelPackageGroupName": "reviews"}),
    Request("sagemaker", "CreatePipeline", {"PipelineName": "reviews", "RoleArn": ROLE}),
    Request("sagemaker", "StartPipelineExecution", {"PipelineName": "reviews"}),
    Request("sagemaker", "CreateMonitoringSchedule", {"MonitoringScheduleName": "reviews-m-0123456789ab"}),
]
VPC = {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
CASES = {
    "jobs": [training(), processing()],
    "vpc and keys": [
        training(OutputDataConfig={"S3OutputPath": "s3://bucket/intermodal/jobs", "KmsKeyId": KEY}, **VPC),
        processing(NetworkConfig=VPC, ProcessingResources={"ClusterConfig": {"VolumeKmsKeyId": KEY}}),
    ],
    "a key by alias": [training(ResourceConfig={"VolumeKmsKeyId": "alias/ours"})],
    "data elsewhere": [processing(AppSpecification={"ContainerArguments": ["source=s3://other/reviews/*.tsv.gz"]})],
    "managed": [TUNING, AUTOML],
    "endpoint": ENDPOINT,
    "data": DATA,
    "packages": PACKAGES,
    "all": [training(), processing(), TUNING, *ENDPOINT],
}


@pytest.mark.parametrize("requests", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("reap", [False, True])
def test_no_policy_has_a_fault_of_ours_or_of_the_linters(requests, reap):
    policies = [submitter_policy(requests, PLACE, "reviews", reap=reap), execution_policy(requests, PLACE)]
    for policy in policies:
        assert policy_problems(policy) == []
        assert findings(policy.to_json()) == []
        assert all("*" not in action for action in policy.actions)
        assert len(policy.text) <= MANAGED_LIMIT


def test_the_general_policy_and_the_trust_have_no_fault():
    assert policy_problems(general_execution_policy(PLACE)) == []
    assert findings(general_execution_policy(PLACE).to_json()) == []
    trust = trust_policy(PLACE)["Statement"][0]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_emr_serverless_takes_the_role_only_where_its_jobs_are_given_it():
    def takers(requests: list[Request]) -> list[str]:
        return [item["Principal"]["Service"] for item in trust_policy(PLACE, requests)["Statement"]]

    spark = {"applicationId": "app1", "executionRoleArn": ROLE}
    assert takers([training()]) == ["sagemaker.amazonaws.com"]
    assert takers([Request("emr-serverless", "StartJobRun", spark)]) == [
        "sagemaker.amazonaws.com",
        "emr-serverless.amazonaws.com",
    ]
    own = {**spark, "executionRoleArn": "arn:aws:iam::123456789012:role/spark"}
    assert takers([Request("emr-serverless", "StartJobRun", own)]) == ["sagemaker.amazonaws.com"]


def test_a_spark_job_may_write_its_logs_where_they_go_and_its_submitter_finds_it_by_name():
    monitoring = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://elsewhere/spark/"}}}
    fields = {"applicationId": "app1", "executionRoleArn": ROLE, "configurationOverrides": monitoring}
    requests = [Request("emr-serverless", "StartJobRun", fields)]
    jobs = execution_policy(requests, PLACE).to_json()
    assert allows(jobs, "s3:PutObject", "arn:aws:s3:::elsewhere/spark/applications/app1/stdout.gz", **OURS)
    assert not allows(jobs, "s3:PutObject", "arn:aws:s3:::elsewhere/other", **OURS)
    submitter = submitter_policy(requests, PLACE, "reviews").to_json()
    application = "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/app1"
    assert allows(submitter, "emr-serverless:ListJobRuns", application)
    assert allows(submitter, "emr-serverless:CancelJobRun", f"{application}/jobruns/1")


class TestTables:
    """Our tables against AWS's service authorization reference, as the linter carries it."""

    @pytest.mark.parametrize("action", UNSCOPED)
    def test_what_is_allowed_on_everything_knows_no_resources(self, action):
        assert resource_types()[action] == frozenset()

    @pytest.mark.parametrize("operation", sorted({one for key, more in FOLLOWED.items() for one in (key, *more)}))
    def test_every_other_action_knows_the_resource_that_it_is_given(self, operation):
        known, kind = resource_types()[f"sagemaker:{operation}"], resource_type(operation)
        assert kind in known or f"{kind}-execution" in known if kind else not known

    def test_every_kind_of_thing_is_one_of_sagemakers(self):
        known = set().union(*(kinds for name, kinds in resource_types().items() if name.startswith("sagemaker:")))
        assert set(NOUNS.values()) <= known

    def test_actions_of_calls(self):
        assert actions_of("s3", "HeadObject") == ("s3:GetObject",)
        assert actions_of("s3", "ListObjectsV2") == ("s3:ListBucket",)
        assert actions_of("sts", "GetCallerIdentity") == ()
        assert actions_of("sagemaker-runtime", "InvokeEndpoint") == ("sagemaker:InvokeEndpoint",)
        made = actions_of("sagemaker", "CreateTrainingJob", training().parameters)
        assert made == ("sagemaker:CreateTrainingJob", "sagemaker:AddTags", "iam:PassRole")


class TestTheSubmitter:
    policy = submitter_policy([training(), processing()], PLACE, "reviews").to_json()

    @pytest.mark.parametrize("verb", ["Create", "Describe", "Stop"])
    def test_it_may_do_its_own_jobs(self, verb):
        assert allows(self.policy, f"sagemaker:{verb}TrainingJob", f"{SAGEMAKER}:training-job/reviews-eval-abc")
        assert not allows(self.policy, f"sagemaker:{verb}TrainingJob", f"{SAGEMAKER}:training-job/others-eval-abc")
        other = "arn:aws:sagemaker:eu-west-1:999999999999:training-job/reviews-eval-abc"
        assert not allows(self.policy, f"sagemaker:{verb}TrainingJob", other)

    def test_it_may_not_do_what_the_pipeline_does_not(self):
        actions = {action for item in self.policy["Statement"] for action in item["Action"]}
        assert "sagemaker:CreateEndpoint" not in actions
        assert "sagemaker:ListTrainingJobs" not in actions
        assert not [action for action in actions if action.startswith(("ec2:", "kms:", "athena:", "glue:", "ecr:"))]

    def test_it_passes_the_one_role_to_sagemaker_alone(self):
        passing = [item for item in self.policy["Statement"] if "iam:PassRole" in item["Action"]]
        assert [(item["Resource"], item["Condition"]) for item in passing] == [
            ([ROLE], {"StringEquals": {"iam:PassedToService": ["sagemaker.amazonaws.com"]}})
        ]

    def test_it_lists_the_store_by_prefix_in_its_own_account_alone(self):
        assert allows(self.policy, "s3:ListBucket", "arn:aws:s3:::bucket", s3_prefix="intermodal/cache/", **OURS)
        assert allows(self.policy, "s3:ListBucket", "arn:aws:s3:::bucket", s3_prefix="intermodal", **OURS)
        assert not allows(self.policy, "s3:ListBucket", "arn:aws:s3:::bucket", **OURS)
        assert not allows(self.policy, "s3:ListBucket", "arn:aws:s3:::bucket", s3_prefix="intermodal-2/", **OURS)
        elsewhere = {"aws_ResourceAccount": "999999999999"}
        assert not allows(self.policy, "s3:PutObject", "arn:aws:s3:::bucket/intermodal/x", **elsewhere)
        assert not allows(self.policy, "s3:PutObject", "arn:aws:s3:::bucket/other/x", **OURS)

    def test_it_reads_its_own_jobs_logs(self):
        group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/TrainingJobs"
        assert allows(self.policy, "logs:GetLogEvents", f"{group}:log-stream:reviews-train-0123456789ab/algo-1-1")
        assert not allows(self.policy, "logs:GetLogEvents", f"{group}:log-stream:others-train/algo-1-1")

    def test_reap_adds_listings_and_nothing_else(self):
        more = submitter_policy([training()], PLACE, "reviews", reap=True)
        added = more.actions - submitter_policy([training()], PLACE, "reviews").actions
        assert "sagemaker:ListTrainingJobs" in added
        assert all(action.startswith("sagemaker:List") for action in added)
        assert allows(more.to_json(), "sagemaker:ListEndpoints", "*", **HERE)
        assert not allows(more.to_json(), "sagemaker:ListEndpoints", "*", aws_RequestedRegion="us-east-1")

    def test_children_of_a_tuning_job_are_looked_at(self):
        policy = submitter_policy([TUNING], PLACE, "reviews").to_json()
        child = f"{SAGEMAKER}:training-job/reviews-tune-0123456789ab-001-abcdef"
        assert allows(policy, "sagemaker:DescribeTrainingJob", child)
        assert not allows(policy, "sagemaker:CreateTrainingJob", child)

    def test_an_endpoint_needs_its_configuration_too(self):
        policy = submitter_policy(ENDPOINT, PLACE, "reviews").to_json()
        assert allows(policy, "sagemaker:CreateEndpoint", f"{SAGEMAKER}:endpoint/reviews")
        assert allows(policy, "sagemaker:CreateEndpoint", f"{SAGEMAKER}:endpoint-config/reviews-cfg-999999999999")
        assert not allows(policy, "sagemaker:DeleteEndpoint", f"{SAGEMAKER}:endpoint/reviews-2")

    def test_each_service_is_passed_its_role_apart(self):
        policy = submitter_policy([training(), *DATA], PLACE, "reviews").to_json()
        passed = [
            item["Condition"]["StringEquals"]["iam:PassedToService"]
            for item in policy["Statement"]
            if "iam:PassRole" in item["Action"]
        ]
        assert sorted(passed) == [
            ["emr-containers.amazonaws.com"],
            ["emr-serverless.amazonaws.com"],
            ["sagemaker.amazonaws.com"],
        ]


class TestTheJobs:
    policy = execution_policy([training(), processing()], PLACE).to_json()

    def test_they_cannot_start_anything(self):
        actions = {action for item in self.policy["Statement"] for action in item["Action"]}
        assert not [action for action in actions if action.startswith(("sagemaker:", "iam:", "sts:", "ec2:", "kms:"))]

    def test_they_pull_the_images_that_are_named(self):
        images = "arn:aws:ecr:eu-west-1:123456789012:repository"
        assert allows(self.policy, "ecr:BatchGetImage", f"{images}/intermodal/torch")
        assert not allows(self.policy, "ecr:BatchGetImage", f"{images}/other")

    def test_they_write_logs_and_metrics_of_sagemaker_alone(self):
        logs = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/"
        assert allows(self.policy, "logs:PutLogEvents", f"{logs}sagemaker/TrainingJobs:log-stream:a/b")
        assert not allows(self.policy, "logs:PutLogEvents", f"{logs}lambda/x:log-stream:a")
        space = "/aws/sagemaker/TrainingJobs"
        assert allows(self.policy, "cloudwatch:PutMetricData", "*", cloudwatch_namespace=space)
        assert not allows(self.policy, "cloudwatch:PutMetricData", "*", cloudwatch_namespace="Billing")

    def test_without_a_vpc_there_is_no_word_of_the_network(self):
        vpc = execution_policy(CASES["vpc and keys"], PLACE).to_json()
        face = "arn:aws:ec2:eu-west-1:123456789012"
        assert allows(vpc, "ec2:CreateNetworkInterface", f"{face}:subnet/subnet-1")
        assert allows(vpc, "ec2:DescribeSubnets", "*", **HERE)
        assert not allows(vpc, "ec2:CreateNetworkInterface", f"{face}:subnet/subnet-2")

    def test_keys_are_used_through_s3_alone(self):
        policy = execution_policy(CASES["vpc and keys"], PLACE).to_json()
        assert allows(policy, "kms:GenerateDataKey", KEY, kms_ViaService="s3.eu-west-1.amazonaws.com")
        by_alias = execution_policy(CASES["a key by alias"], PLACE).to_json()
        assert allows(by_alias, "kms:Decrypt", KEY, kms_ResourceAliases="alias/ours")
        assert not allows(by_alias, "kms:Decrypt", KEY, kms_ResourceAliases="alias/theirs")

    def test_data_elsewhere_is_read_and_never_written(self):
        policy = execution_policy(CASES["data elsewhere"], PLACE).to_json()
        assert allows(policy, "s3:GetObject", "arn:aws:s3:::other/reviews/a.tsv.gz")
        assert allows(policy, "s3:ListBucket", "arn:aws:s3:::other", s3_prefix="reviews/")
        assert not allows(policy, "s3:GetObject", "arn:aws:s3:::other/secrets/a")
        assert not allows(policy, "s3:PutObject", "arn:aws:s3:::other/reviews/a.tsv.gz")
        assert not allows(policy, "s3:ListBucket", "arn:aws:s3:::other", s3_prefix="")

    def test_services_that_start_jobs_get_the_one_role_and_no_other(self):
        policy = execution_policy([AUTOML], PLACE).to_json()
        to = {"iam_PassedToService": "sagemaker.amazonaws.com"}
        assert allows(policy, "sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/anything")
        assert allows(policy, "iam:PassRole", ROLE, **to)
        assert not allows(policy, "iam:PassRole", "arn:aws:iam::123456789012:role/Admin", **to)


class TestOurOwnRules:
    @pytest.mark.parametrize(
        ("statement", "part"),
        [
            (Statement("A", ("s3:*",), ("arn:aws:s3:::b/*",)), "wildcard"),
            (Statement("A", ("s3:Get?bject",), ("arn:aws:s3:::b/*",)), "wildcard"),
            (Statement("A", ("sagemaker:CreateTrainingJob",), ("*",)), "on every resource"),
            (Statement("A", ("sagemaker:CreateTrainingJob",), ("arn:aws:sagemaker:*:*:training-job/a",)), "account"),
            (Statement("A", ("s3:GetObject",), ("arn:aws:s3:::*/a",)), "account"),
            (Statement("A b", ("s3:GetObject",), ("arn:aws:s3:::b/*",)), "no name"),
            (Statement("A", ("iam:PassRole",), (ROLE,)), "one role and one service"),
            (
                Statement(
                    "A",
                    ("iam:PassRole",),
                    ("arn:aws:iam::123456789012:role/*",),
                    {"StringEquals": {"iam:PassedToService": ["sagemaker.amazonaws.com"]}},
                ),
                "one role",
            ),
        ],
    )
    def test_what_is_too_much_is_found(self, statement, part):
        (line,) = policy_problems(Policy((statement,)))
        assert part in line

    def test_a_policy_over_the_limit_and_twins_are_found(self):
        many = Statement("A", ("s3:GetObject",), tuple(f"arn:aws:s3:::bucket-{n}/*" for n in range(400)))
        assert any("at most 6,144" in line for line in policy_problems(Policy((many,))))
        one = Statement("A", ("s3:GetObject",), ("arn:aws:s3:::b/*",))
        assert policy_problems(Policy((one, one))) == ["two statements are called A"]

    def test_statements_of_one_name_become_one(self):
        first = Statement("A", ("s3:GetObject",), ("arn:aws:s3:::b/x",), {"StringLike": {"s3:prefix": ["x"]}})
        second = Statement("A", ("s3:GetObject",), ("arn:aws:s3:::b/y",), {"StringLike": {"s3:prefix": ["y"]}})
        (made,) = policy_of([first, second, Statement("B", (), ("*",))]).to_json()["Statement"]
        assert made["Resource"] == ["arn:aws:s3:::b/x", "arn:aws:s3:::b/y"]
        assert made["Condition"] == {"StringLike": {"s3:prefix": ["x", "y"]}}

    def test_the_same_requests_give_the_same_text(self):
        requests = CASES["all"]
        first, second = (submitter_policy(order, PLACE, "reviews").to_json() for order in (requests, requests))
        assert json.dumps(first) == json.dumps(second)


def test_names_are_open_at_their_digest_alone():
    assert name_pattern("reviews-train-0123456789ab", "reviews") == "reviews-*"
    assert name_pattern("reviews-train-0123456789ab-2", "reviews") == "reviews-*"
    assert name_pattern("other-train-0123456789ab", "reviews") == "other-train-*"
    assert name_pattern("reviews", "reviews") == "reviews"
    long = "p" * 60
    assert name_pattern(f"{'p' * 50}-0123456789ab", long) == f"{'p' * 50}-*"


def test_addresses_are_found_in_any_text():
    value = {"a": ["--source", '{"x": "s3://one/two/"}'], "b": {"c": "from s3://three/four.tsv, and s3://five"}}
    assert sorted(uris_in(value)) == ["s3://five", "s3://one/two", "s3://three/four.tsv"]
