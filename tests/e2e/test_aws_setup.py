"""`intermodal aws` against the local SageMaker: what an empty account is given, once; and what is found in one."""

from __future__ import annotations

import json

import pytest

from intermodal.aws.account_setup import account_parts
from intermodal.aws.request import Place
from intermodal.cli.main import main
from local_sagemaker import client

BUCKET = "intermodal-123456789012-us-east-1"
ROLE = "intermodal-execution"
ANY = {"Effect": "Allow", "Action": "sagemaker:ListModels", "Resource": "*"}
OTHER = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
PIPELINE = """
from kfp import dsl
from intermodal import component

generate = component("generate")


@dsl.pipeline(name="tiny")
def tiny():
    generate(rows=10)
"""


@pytest.fixture
def account(home, local_sagemaker):
    return local_sagemaker


def say(capfd, *words: str):
    capfd.readouterr()
    code = main(["aws", *words])
    text = capfd.readouterr()
    return code, text.out, text.err


def told(capfd, *words: str):
    code, out, err = say(capfd, *words, "--json")
    assert out, err
    return code, json.loads(out)


class TestInit:
    def test_an_empty_account_gets_a_private_bucket_and_a_role(self, account, capfd):
        code, made = told(capfd, "init")
        assert code == 0
        assert [item["state"] for item in made["parts"]] == ["made"] * 6
        s3, iam = client("s3"), client("iam")
        blocks = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
        assert all(blocks.values()) and len(blocks) == 4
        rule = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"][0]
        assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        assert {item["ID"] for item in rules} == {"intermodal-job-leftovers", "intermodal-unfinished-uploads"}
        role = iam.get_role(RoleName=ROLE)["Role"]
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
        document = iam.get_role_policy(RoleName=ROLE, PolicyName=ROLE)["PolicyDocument"]
        assert not [a for item in document["Statement"] for a in item["Action"] if "*" in a or a.startswith("iam:")]
        assert iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"] == []

    def test_the_second_time_everything_is_there_and_nothing_is_sent(self, account, capfd):
        told(capfd, "init")
        _, again = told(capfd, "init")
        assert [(item["state"], item["operations"]) for item in again["parts"]] == [("there", [])] * 6

    def test_what_somebody_changed_is_set_right_and_what_they_added_stays(self, account, capfd):
        told(capfd, "init")
        s3 = client("s3")
        s3.delete_public_access_block(Bucket=BUCKET)
        rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
        s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
        _, made = told(capfd, "init")
        changed = [item["name"].partition(" of ")[0] for item in made["parts"] if item["state"] != "there"]
        assert changed == ["no public access", "lifecycle"]
        rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        assert [item["ID"] for item in rules][0] == "theirs" and len(rules) == 3

    def test_a_role_of_somebody_elses_keeps_its_trust(self, account, capfd):
        iam = client("iam")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
        told(capfd, "init")
        assert iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"] == trust

    def test_other_names_are_told_for_the_configuration(self, account, capfd):
        code, out, _ = say(capfd, "init", "--bucket", "ours-alone", "--role", "ours-execution")
        assert code == 0
        assert '[sagemaker]\nbucket = "ours-alone"\nrole = "ours-execution"' in out
        client("s3").get_bucket_encryption(Bucket="ours-alone")
        assert client("iam").get_role(RoleName="ours-execution")["Role"]["RoleName"] == "ours-execution"
        code, out, _ = say(capfd, "init")
        assert "[sagemaker]" not in out

    def test_a_dry_run_sends_nothing(self, account, capfd):
        code, out, _ = say(capfd, "init", "--dry-run")
        assert code == 0
        operations = [item["operation"] for item in json.loads(out)["requests"]]
        assert operations[0] == "CreateBucket" and operations[-2:] == ["CreateRole", "PutRolePolicy"]
        assert BUCKET not in [item["Name"] for item in client("s3").list_buckets()["Buckets"]]

    def test_every_request_of_a_dry_run_is_one_that_aws_takes(self, home, capfd, monkeypatch):
        from intermodal.aws.service_model import problems

        monkeypatch.setenv("INTERMODAL_AWS_ACCOUNT", "123456789012")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        _, out, _ = say(capfd, "init", "--dry-run")
        requests = json.loads(out)["requests"]
        assert len(requests) == 7
        for item in requests:
            assert problems(item["service"], item["operation"], item["request"]) == []
        assert requests[0]["request"]["CreateBucketConfiguration"] == {"LocationConstraint": "eu-central-1"}


class TestTlsOnly:
    """A local S3 without TLS is spared this policy, so it is looked at as a value."""

    def part(self):
        place = Place(
            "123456789012", "us-east-1", f"arn:aws:iam::123456789012:role/{ROLE}", f"s3://{BUCKET}/intermodal"
        )
        assert len(account_parts(place, tls=False)) == len(account_parts(place)) - 1
        return next(item for item in account_parts(place) if item.look.operation == "GetBucketPolicy")

    def test_what_comes_without_tls_is_refused(self):
        (request,) = self.part().wanted(None)
        (statement,) = json.loads(request.parameters["Policy"])["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert self.part().wanted({"Policy": request.parameters["Policy"]}) == []

    def test_statements_of_others_stay(self):
        theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "*"}
        found = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [theirs]})}
        (request,) = self.part().wanted(found)
        sids = [item["Sid"] for item in json.loads(request.parameters["Policy"])["Statement"]]
        assert sids == ["Theirs", "IntermodalTlsOnly"]


class TestDoctor:
    def test_an_empty_account_is_told_to_init_and_then_it_is_well(self, account, capfd):
        code, found = told(capfd, "doctor")
        states = {item["check"]: item for item in found["findings"]}
        assert code == 5 and not found["usable"]
        assert states["bucket"]["state"] == states["role"]["state"] == "wrong"
        assert "intermodal aws init" in states["bucket"]["next"]
        told(capfd, "init")
        code, found = told(capfd, "doctor")
        assert code == 0 and found["usable"], found
        states = {item["check"]: item["state"] for item in found["findings"]}
        wanted = ("credentials", "clock", "region", "bucket", "encryption", "public access", "role", "role's policies")
        assert [states[name] for name in wanted] == ["ok"] * len(wanted)
        assert states["SageMaker"] == "ok"

    def test_a_role_that_may_do_everything_is_a_warning(self, account, capfd):
        told(capfd, "init")
        iam = client("iam")
        made = iam.create_policy(
            PolicyName="AmazonSageMakerFullAccess",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [ANY]}),
        )
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=made["Policy"]["Arn"])
        code, found = told(capfd, "doctor")
        (item,) = [item for item in found["findings"] if item["check"] == "role's policies"]
        assert (code, item["state"]) == (0, "warning")
        assert "AmazonSageMakerFullAccess" in item["detail"] and "detach-role-policy" in item["next"]

    def test_a_role_that_sagemaker_may_not_take_is_wrong(self, account, capfd):
        told(capfd, "init")
        client("iam").update_assume_role_policy(
            RoleName=ROLE, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [OTHER]})
        )
        code, found = told(capfd, "doctor")
        (item,) = [item for item in found["findings"] if item["check"] == "role"]
        assert (code, item["state"], item["next"]) == (5, "wrong", "intermodal aws init")

    def test_a_bucket_that_may_be_made_public_is_a_warning(self, account, capfd):
        told(capfd, "init")
        client("s3").delete_public_access_block(Bucket=BUCKET)
        code, found = told(capfd, "doctor")
        (item,) = [item for item in found["findings"] if item["check"] == "public access"]
        assert (code, item["state"]) == (0, "warning")

    def test_a_pipelines_images_and_quotas_are_looked_at(self, account, capfd, home):
        (home.parent / "work" / "tiny.py").write_text(PIPELINE)
        told(capfd, "init")
        _, found = told(capfd, "doctor", "tiny.py")
        checks = [item["check"] for item in found["findings"]]
        assert "image" in checks and any(item.startswith("quota") for item in checks), found

    def test_without_credentials_the_next_step_is_told_and_nothing_is_asked(self, home, capfd, monkeypatch, tmp_path):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        from intermodal.aws import client as clients

        clients.renew_clients()
        code, found = told(capfd, "doctor")
        assert code == 5
        (item,) = found["findings"]
        assert item["check"] == "credentials" and "aws configure" in item["next"]
        clients.renew_clients()

    def test_text_says_what_to_type(self, account, capfd):
        code, out, _ = say(capfd, "doctor")
        assert code == 5
        assert "✘ bucket" in out and "→ intermodal aws init" in out
        assert out.rstrip().endswith("pipelines cannot run on SageMaker yet")


ATHENA = PIPELINE.replace(
    "generate(rows=10)", 'component("ingest")(raw=generate(rows=10).outputs["raw"], engine=engine)'
)
ATHENA = ATHENA.replace("def tiny():", 'def tiny(engine: str = "local"):')


class TestPolicies:
    def test_jobs_that_ask_athena_may_do_so_and_others_may_not(self, account, capfd, home):
        from policy_linter import allows, findings

        (home.parent / "work" / "tiny.py").write_text(ATHENA)
        group = "arn:aws:athena:us-east-1:123456789012:workgroup/intermodal"
        policy = json.loads(say(capfd, "iam-policy", "tiny.py", "--execution")[1])
        assert not allows(policy, "athena:StartQueryExecution", group)
        policy = json.loads(say(capfd, "iam-policy", "tiny.py", "--execution", "-p", "engine=athena")[1])
        assert allows(policy, "athena:StartQueryExecution", group)
        assert allows(policy, "glue:CreateTable", "arn:aws:glue:us-east-1:123456789012:table/intermodal/reviews")
        assert not allows(policy, "glue:CreateTable", "arn:aws:glue:us-east-1:123456789012:table/other/reviews")
        assert findings(policy) == []

    def test_the_policies_of_a_pipeline_are_one_object_and_each_is_one_of_iams(self, account, capfd, home):
        from policy_linter import findings

        (home.parent / "work" / "tiny.py").write_text(PIPELINE)
        code, out, _ = say(capfd, "iam-policy", "tiny.py")
        both = json.loads(out)
        assert code == 0
        assert both["role"].endswith("role/intermodal-execution")
        assert findings(both["submitter"]) == findings(both["execution"]) == []
        assert set(both["on_every_resource"]) == {"cloudwatch:PutMetricData"}
        assert json.loads(say(capfd, "iam-policy", "tiny.py", "--submitter")[1]) == both["submitter"]
        assert json.loads(say(capfd, "iam-policy", "tiny.py", "--execution", "--json")[1]) == both["execution"]
        iam = client("iam")  # moto refuses documents that are none
        iam.create_policy(PolicyName="submit", PolicyDocument=json.dumps(both["submitter"]))
        iam.create_policy(PolicyName="execute", PolicyDocument=json.dumps(both["execution"]))
