"""Every operation of SageMaker that the code calls is one that a policy knows, and Terraform's roles say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from intermodal.aws.actions import FOLLOWED, UNSCOPED
from intermodal.aws.execution_policy import general_execution_policy, trust_policy
from intermodal.aws.policy import policy_problems
from intermodal.aws.request import Place
from intermodal.aws.submitter_policy import general_submitter_policy
from policy_linter import findings

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "intermodal"
PLACE = Place(
    "123456789012", "eu-west-1", "arn:aws:iam::123456789012:role/intermodal-execution", "s3://bucket/intermodal"
)
# What only `intermodal reap` and whoever cleans up by hand call, with the leave of whoever made the thing.
MANAGED_BY_HAND = {"DeleteModelPackage", "DeleteModelPackageGroup", "AddTags", "ListTags"}


# What a SageMaker pipeline's definition may hold, and SageMaker itself calls.
IN_DEFINITIONS = {"CreateAutoMLJob", "DescribeAutoMLJob"}


def called() -> dict[str, set[str]]:
    """Operation of SageMaker → files of ours that name it; what answers such calls is left out."""
    import botocore.session

    session = botocore.session.get_session()
    names = set(session.get_service_model("sagemaker").operation_names)
    names |= set(session.get_service_model("sagemaker-runtime").operation_names)
    found: dict[str, set[str]] = {}
    folders = [SOURCE / "aws", SOURCE / "runtime" / "sagemaker", SOURCE / "steps", SOURCE / "serving", SOURCE / "cli"]
    assert all(folder.is_dir() for folder in folders)
    for path in [file for folder in folders for file in folder.rglob("*.py")]:
        if path.name in ("actions.py", "charges.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names:
                found.setdefault(node.value, set()).add(path.name)
    return found


def test_every_operation_that_the_code_names_is_granted_somewhere():
    granted = {one for key, more in FOLLOWED.items() for one in (key, *more)} | MANAGED_BY_HAND | IN_DEFINITIONS
    granted |= {action.removeprefix("sagemaker:") for action in UNSCOPED}
    missing = {name: sorted(files) for name, files in called().items() if name not in granted}
    assert missing == {}


def test_the_general_policy_of_a_submitter_is_bound_to_our_tag():
    policy = general_submitter_policy(PLACE)
    assert policy_problems(policy) == []
    assert findings(policy.to_json()) == []
    creating = [item for item in policy.statements if any(":Create" in action for action in item.actions)]
    assert [item.conditions for item in creating] == [{"StringEquals": {"aws:RequestTag/intermodal": ["1", "1"]}}]
    following = [item for item in policy.statements if any(":Stop" in action for action in item.actions)]
    assert [list(item.conditions["StringEquals"]) for item in following] == [["aws:ResourceTag/intermodal"]]


class TestTerraform:
    """k8s/terraform's two roles may do what ours may: the same actions, from other words."""

    text = "\n".join(
        (ROOT / "k8s" / "terraform" / name).read_text() for name in ("iam_policies.tf", "iam_sagemaker.tf")
    )

    def actions(self, document: str) -> set[str]:
        """Actions of one `aws_iam_policy_document`."""
        begin = self.text.index(f'data "aws_iam_policy_document" "{document}"')
        end = self.text.find("\ndata ", begin + 1)
        lists = re.findall(r"actions\s*=\s*\[(.*?)\]", self.text[begin : end if end > 0 else None], re.DOTALL)
        return {action for text in lists for action in re.findall(r'"([a-z0-9-]+:[A-Za-z0-9]+)"', text)}

    def test_the_execution_role_has_the_same_actions(self):
        theirs = self.actions("execution") | self.actions("prefixes")
        ours = set(general_execution_policy(PLACE).actions)
        assert ours <= theirs
        # A bucket with a key of its own, and parts of uploads that are listed, are Terraform's alone.
        assert theirs - ours == {
            "kms:Decrypt",
            "kms:GenerateDataKey",
            "s3:GetBucketLocation",
            "s3:ListBucketMultipartUploads",
            "s3:ListMultipartUploadParts",
        }

    def test_the_submitter_has_what_training_and_processing_need(self):
        theirs = self.actions("submit") | self.actions("prefixes")
        assert set(general_submitter_policy(PLACE).actions) <= theirs

    def test_only_sagemaker_for_this_account_takes_the_role(self):
        begin = self.text.index('"aws_iam_policy_document" "trust_sagemaker"')
        trust = self.text[begin : self.text.index('resource "aws_iam_role" "execution"')]
        ours = trust_policy(PLACE)["Statement"][0]
        assert ours["Principal"]["Service"] in trust
        assert "aws:SourceAccount" in trust and "StringEquals" in trust


@pytest.mark.parametrize("action", sorted(UNSCOPED))
def test_every_action_on_all_resources_has_its_reason(action):
    assert len(UNSCOPED[action].split()) >= 2
