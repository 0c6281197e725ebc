"""Terraform: valid, planned with assertions on every policy, and applied to moto."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intermodal.core.config import load_settings
from intermodal.runtime.kubeflow.settings import kubeflow_settings
from manifests_at import ROOT
from terraforming import Terraform, moto_server, prepared, provider_mirror

SOURCE = ROOT / "k8s/terraform"


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    mirror = provider_mirror()
    if mirror is None:
        pytest.skip("Terraform's AWS provider is not on this machine (set TERRAFORM_PROVIDERS to a filesystem mirror)")
    with moto_server() as url:
        yield prepared(SOURCE, tmp_path_factory.mktemp("terraform"), mirror, url)


@pytest.fixture(scope="module")
def plan(terraform: Terraform) -> dict[str, Any]:
    return terraform.plan("default", submitters=["arn:aws:iam::123456789012:role/ci"])


def test_it_is_formatted_and_valid(terraform: Terraform) -> None:
    assert terraform("fmt", "-check", "-list=true", str(SOURCE)) == ""
    assert json.loads(terraform("validate", "-json"))["valid"]


def test_every_variable_is_explained() -> None:
    blocks = re.findall(r'variable "(\w+)" \{(.*?)\n\}', (SOURCE / "variables.tf").read_text(), re.DOTALL)
    assert len(blocks) > 10
    assert [name for name, body in blocks if "description" not in body or "type" not in body] == []


def test_the_bucket_is_closed(plan: dict[str, Any]) -> None:
    assert _one(plan, "aws_s3_bucket_versioning")["versioning_configuration"][0]["status"] == "Enabled"
    (rule,) = _one(plan, "aws_s3_bucket_server_side_encryption_configuration")["rule"]
    assert rule["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == "aws:kms"
    block = _one(plan, "aws_s3_bucket_public_access_block")
    assert all(
        block[f"{verb}_public_{what}"] for verb, what in (("block", "acls"), ("block", "policy"), ("ignore", "acls"))
    )
    assert block["restrict_public_buckets"]
    (statement,) = json.loads(_one(plan, "aws_s3_bucket_policy")["policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_images_cannot_be_replaced_and_are_scanned(plan: dict[str, Any]) -> None:
    repositories = _all(plan, "aws_ecr_repository")
    assert {item["name"] for item in repositories} >= {"intermodal/core", "intermodal/torch", "intermodal/mlflow"}
    for item in repositories:
        assert item["image_tag_mutability"] == "IMMUTABLE"
        assert item["image_scanning_configuration"][0]["scan_on_push"]
        assert item["encryption_configuration"][0]["encryption_type"] == "KMS"
    assert _one(plan, "aws_kms_key")["enable_key_rotation"]


def test_the_api_is_private_unless_addresses_are_named(plan: dict[str, Any], terraform: Terraform) -> None:
    (access,) = _one(plan, "aws_eks_cluster")["vpc_config"]
    assert (access["endpoint_public_access"], access["endpoint_private_access"]) == (False, True)
    with pytest.raises(AssertionError, match="whole internet"):
        terraform.plan("open", api_cidrs=["0.0.0.0/0"])


def test_gpus_are_spot_and_tainted_and_nodes_keep_their_role(plan: dict[str, Any]) -> None:
    groups = {item["node_group_name"]: item for item in _all(plan, "aws_eks_node_group")}
    assert (groups["gpu-spot"]["capacity_type"], groups["gpu-spot"]["scaling_config"][0]["min_size"]) == ("SPOT", 0)
    assert groups["gpu-spot"]["taint"] == [{"effect": "NO_SCHEDULE", "key": "nvidia.com/gpu", "value": "present"}]
    flavors = (ROOT / "k8s/components/kueue/flavors.yaml").read_text()
    for name, group in groups.items():
        assert group["labels"] == {"intermodal/nodes": name}
        assert f"intermodal/nodes: {name}" in flavors
    for template in _all(plan, "aws_launch_template"):
        assert template["metadata_options"][0]["http_tokens"] == "required"
        assert template["metadata_options"][0]["http_put_response_hop_limit"] == 1
        assert template["block_device_mappings"][0]["ebs"][0]["encrypted"] == "true"


def test_no_policy_is_wider_than_it_must_be(plan: dict[str, Any]) -> None:
    """No wildcard action; a wildcard resource only where AWS knows no other."""
    unavoidable = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}
    policies = _policies(plan)
    assert {
        "aws_iam_policy.submit",
        'aws_iam_role_policy.pod["runner"]',
        'aws_iam_role_policy.execution["job"]',
    } <= set(policies)
    for address, policy in policies.items():
        for statement in policy["Statement"]:
            actions, resources = _list(statement["Action"]), _list(statement["Resource"])
            assert not [action for action in actions if action.endswith("*")], (address, actions)
            assert "*" not in resources or set(actions) <= unavoidable, (address, statement)
            if "*" in resources and "cloudwatch:PutMetricData" in actions:
                assert statement["Condition"]


def test_a_role_may_be_passed_once_and_to_one_service(plan: dict[str, Any]) -> None:
    passing = {
        address: statement
        for address, policy in _policies(plan).items()
        for statement in policy["Statement"]
        if any(action.startswith("iam:") for action in _list(statement["Action"]))
    }
    (statement,) = passing.values()
    assert _list(statement["Resource"]) == ["arn:aws:iam::123456789012:role/intermodal-execution"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert _list(statement["Action"]) == ["iam:PassRole"]


def test_who_submits_cannot_execute_and_the_other_way_round(plan: dict[str, Any]) -> None:
    policies = _policies(plan)
    actions = {
        role: {
            action
            for address in of
            for statement in policies[address]["Statement"]
            for action in _list(statement["Action"])
        }
        for role, of in {
            "submitter": ("aws_iam_role_policy.submitter", "aws_iam_policy.submit"),
            "execution": ('aws_iam_role_policy.execution["bucket"]', 'aws_iam_role_policy.execution["job"]'),
        }.items()
    }
    assert not [action for action in actions["execution"] if action.startswith(("sagemaker:", "iam:"))]
    assert not [action for action in actions["submitter"] if action.startswith(("ecr:", "cloudwatch:"))]
    roles = {
        item["name"]: json.loads(item["assume_role_policy"])
        for item in _all(plan, "aws_iam_role")
        if item.get("assume_role_policy")
    }
    assert roles["intermodal-execution"]["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert roles["intermodal-submitter"]["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::123456789012:role/ci"}


def test_each_role_keeps_to_its_prefixes(plan: dict[str, Any]) -> None:
    seen = {}
    for role, address in (
        ("mlflow", 'aws_iam_role_policy.pod["mlflow"]'),
        ("runner", 'aws_iam_role_policy.pod["runner"]'),
    ):
        (objects,) = [item for item in _policies(plan)[address]["Statement"] if item["Sid"] == "Objects"]
        seen[role] = {resource.split("/")[1] for resource in _list(objects["Resource"])}
    assert seen == {"mlflow": {"mlflow"}, "runner": {"kfp", "store", "jobs"}}


def test_pod_identity_takes_the_place_of_irsa(terraform: Terraform) -> None:
    found = terraform.plan("pods", identity="pod-identity")
    assert _all(found, "aws_iam_openid_connect_provider") == []
    pairs = {(item["namespace"], item["service_account"]) for item in _all(found, "aws_eks_pod_identity_association")}
    runs = {("intermodal", f"intermodal-{name}") for name in ("runner", "training", "spark")}
    assert pairs == {("mlflow", "mlflow"), *runs}
    trust = json.loads(
        next(item for item in _all(found, "aws_iam_role") if item["name"] == "intermodal-runner")["assume_role_policy"]
    )
    assert trust["Statement"][0]["Principal"] == {"Service": "pods.eks.amazonaws.com"}


def test_it_applies_and_its_outputs_feed_the_overlay(terraform: Terraform, tree: Path, tmp_path: Path) -> None:
    import tomllib

    # moto makes no add-ons; their plan is above.
    terraform("apply", "-input=false", "-auto-approve", "-var=addons=[]", '-var=mlflow_hosts=["mlflow.example.com"]')
    state = json.loads(terraform("show", "-json"))["values"]["root_module"]["resources"]
    kinds = {item["type"] for item in state if item["mode"] == "managed"}
    assert kinds >= {
        "aws_eks_cluster",
        "aws_glue_catalog_database",
        "aws_athena_workgroup",
        "aws_iam_openid_connect_provider",
    }
    trust = next(item for item in state if item["address"] == 'aws_iam_role.pod["mlflow"]')["values"][
        "assume_role_policy"
    ]
    (statement,) = json.loads(trust)["Statement"]
    assert "system:serviceaccount:mlflow:mlflow" in json.dumps(statement["Condition"])

    settings = terraform("output", "-raw", "settings_env")
    copy_of = tmp_path / "k8s"
    shutil.copytree(tree, copy_of)
    (copy_of / "overlays/eks/settings.env").write_text(settings)
    done = subprocess.run(["kubectl", "kustomize", copy_of / "overlays/eks"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "arn:aws:iam::123456789012:role/intermodal-runner" in done.stdout
    assert "mlflow.example.com" in done.stdout
    assert "111122223333" not in done.stdout
    written = tomllib.loads(terraform("output", "-raw", "intermodal_toml"))
    assert written["intermodal"]["store"] == "s3://intermodal-123456789012-eu-central-1/store"
    made = kubeflow_settings(replace(load_settings(tmp_path), extra=written))
    assert (made.namespace, made.service_account) == ("intermodal", "intermodal-runner")
    assert made.store == written["intermodal"]["store"]
    committed = (SOURCE.parent / "overlays/eks/settings.env").read_text()
    assert _names(settings) == _names(committed)


def _names(settings: str) -> list[str]:
    return [line.partition("=")[0] for line in settings.splitlines() if line and not line.startswith("#")]


def _all(plan: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [
        item["change"]["after"]
        for item in plan["resource_changes"]
        if item["type"] == kind and item["mode"] == "managed"
    ]


def _one(plan: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = _all(plan, kind)
    return found


def _policies(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Identity policies by address; every one must be known already in the plan."""
    changes = [item for item in plan["resource_changes"] if item["type"] in ("aws_iam_policy", "aws_iam_role_policy")]
    assert all("policy" in item["change"]["after"] for item in changes), "a policy is known only after apply"
    return {item["address"]: json.loads(item["change"]["after"]["policy"]) for item in changes}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
