"""IAM policies under test: a linter with AWS's own tables, and an evaluator of what a policy allows."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import json
import sys
import types
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest


@lru_cache(maxsize=1)
def _linter() -> Any:
    """parliament; it asks pkg_resources where its tables lie, which newer setuptools have not any more."""
    stand_in = types.ModuleType("pkg_resources")
    stand_in.resource_filename = lambda package, name: str(_home(package) / name)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pkg_resources", stand_in)
        return importlib.import_module("parliament")


def _home(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


# What the linter points at, and what is meant: the one role that is passed (see `policy_problems`), grants on a
# volume's key for AWS's resources alone, and the temporary credentials of image registry and Redshift.
MEANT = {
    ("CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"),
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "kms:creategrant"),
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "redshift:getclustercredentials"),
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "ec2:createnetworkinterfacepermission"),
    ("PERMISSIONS_MANAGEMENT_ACTIONS", "iam:passrole"),
    ("CREDENTIALS_EXPOSURE", "redshift:getclustercredentials"),
    ("CREDENTIALS_EXPOSURE", "redshift-serverless:getcredentials"),
    ("CREDENTIALS_EXPOSURE", "secretsmanager:getsecretvalue"),
}


# Where its tables are behind AWS's documentation: the key condition holds for every action on a key, and one of
# the three kinds of things that Athena tags is enough.
_BEHIND = ("kms:ResourceAliases", "athena:TagResource")


def findings(policy: dict[str, Any]) -> list[str]:
    """What the linter finds in a policy and nobody meant, as lines."""
    found = _linter().analyze_policy_string(json.dumps(policy), include_community_auditors=True).findings
    return [f"{item.issue}: {item.detail} {item.location}" for item in found if not _meant(item)]


def _meant(finding: Any) -> bool:
    if any(name in str(finding.detail) for name in _BEHIND):
        return True
    actions = finding.location.get("actions", []) if isinstance(finding.location, dict) else []
    return bool(actions) and all((finding.issue, action) in MEANT for action in actions)


@lru_cache(maxsize=1)
def resource_types() -> dict[str, frozenset[str]]:
    """Action → types of resources that it can be limited to, by AWS's service authorization reference."""
    known = json.loads((_home("parliament") / "iam_definition.json").read_text())
    return {
        f"{service['prefix']}:{item['privilege']}": frozenset(
            kind["resource_type"].rstrip("*") for kind in item["resource_types"] if kind["resource_type"]
        )
        for service in known
        for item in service["privileges"]
    }


def allows(policy: dict[str, Any], action: str, resource: str, **context: str) -> bool:
    """Whether a policy allows an action on a resource, as IAM evaluates the operators that we write.

    Args:
        policy: The policy, as IAM reads it.
        action: Such as "s3:GetObject".
        resource: ARN; "*" for actions that know none.
        context: Condition keys of the request, with "_" for ":" ("s3_prefix").
    """
    given = {name.replace("_", ":", 1).lower(): value for name, value in context.items()}
    return any(
        action in item["Action"]
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in item["Resource"])
        and _holds(item.get("Condition", {}), given)
        for item in policy["Statement"]
    )


def _holds(conditions: dict[str, dict[str, list[str]]], given: dict[str, str]) -> bool:
    for operator, keys in conditions.items():
        for key, values in keys.items():
            value = given.get(key.lower())
            like = operator.endswith("Like")
            if value is None or not any(fnmatch.fnmatchcase(value, v) if like else value == v for v in values):
                return False
    return True
