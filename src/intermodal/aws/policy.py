"""IAM policies as values: statements that are merged and sorted, and the rules that every policy of ours keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.actions import UNSCOPED

VERSION = "2012-10-17"
MANAGED_LIMIT = 6144  # characters of a managed policy, without white space
_SID = re.compile(r"[A-Za-z0-9]{1,64}")

Conditions = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Statement:
    """What is allowed on what, and when.

    Attributes:
        sid: What it is for, in one word; IAM takes letters and digits alone.
        actions: IAM actions, such as "s3:GetObject"; never with a wildcard.
        resources: ARNs; "*" alone only for actions that know no resources.
        conditions: Operator → key → values.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Conditions = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The statement as IAM reads it."""
        made: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(set(self.actions)),
            "Resource": sorted(set(self.resources)),
        }
        if self.conditions:
            made["Condition"] = {
                operator: {key: _shown(operator, values) for key, values in sorted(keys.items())}
                for operator, keys in sorted(self.conditions.items())
            }
        return made


@dataclass(frozen=True)
class Policy:
    """A policy of one role.

    Attributes:
        statements: What it allows.
    """

    statements: tuple[Statement, ...]

    def to_json(self) -> dict[str, Any]:
        """The policy as IAM reads it; the same statements give the same text."""
        return {"Version": VERSION, "Statement": [item.to_json() for item in self.statements]}

    @property
    def text(self) -> str:
        """The policy as a document without white space."""
        return json.dumps(self.to_json(), separators=(",", ":"))

    @property
    def actions(self) -> frozenset[str]:
        """Everything it allows."""
        return frozenset(action for item in self.statements for action in item.actions)


def policy_of(statements: Iterable[Statement]) -> Policy:
    """A policy whose statements of one name, resources and conditions are one statement.

    Args:
        statements: In the order that a reader should see; empty ones are left out.
    """
    merged: dict[str, Statement] = {}
    for item in statements:
        if not item.actions or not item.resources:
            continue
        before = merged.get(item.sid)
        if before is None:
            merged[item.sid] = item
            continue
        actions = (*before.actions, *item.actions)
        resources = (*before.resources, *item.resources)
        merged[item.sid] = Statement(item.sid, actions, resources, _both(before.conditions, item.conditions))
    return Policy(tuple(merged.values()))


def policy_problems(policy: Policy) -> list[str]:
    """What is wrong with a policy by our own rules; empty when nothing.

    Args:
        policy: Any policy.

    Returns:
        One line each: no wildcard in an action, "*" for actions without resources alone, the one role that is
        passed and to whom, names that IAM takes, and the size that a managed policy may have.
    """
    found = [line for item in policy.statements for line in _statement_problems(item)]
    sids = [item.sid for item in policy.statements]
    found += [f"two statements are called {sid}" for sid in sorted({sid for sid in sids if sids.count(sid) > 1})]
    size = len(policy.text)
    if size > MANAGED_LIMIT:
        found.append(f"{size:,} characters, at most {MANAGED_LIMIT:,} in a managed policy")
    return found


def _statement_problems(item: Statement) -> Iterator[str]:
    if not _SID.fullmatch(item.sid):
        yield f"{item.sid!r} is no name of a statement"
    yield from (f"{item.sid}: {action} has a wildcard" for action in item.actions if "*" in action or "?" in action)
    if "*" in item.resources:
        yield from (f"{item.sid}: {action} on every resource" for action in item.actions if action not in UNSCOPED)
    for resource in item.resources:
        if resource != "*" and _too_wide(resource):
            yield f"{item.sid}: {resource} is not bound to an account"
    if "iam:PassRole" in item.actions:
        passed = item.conditions.get("StringEquals", {}).get("iam:PassedToService", [])
        if len(item.actions) > 1 or len(set(item.resources)) != 1 or "*" in item.resources[0] or len(passed) != 1:
            yield f"{item.sid}: iam:PassRole is for one role and one service"


def _too_wide(resource: str) -> bool:
    """Whether an ARN leaves its service, its account, or the whole of what it names open; buckets have no account."""
    parts = resource.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or "*" in parts[1] or "*" in parts[2]:
        return True
    bucket = parts[5].partition("/")[0]
    return ("*" in bucket or not bucket) if parts[2] == "s3" else "*" in parts[4] or parts[5] == "*"


def _shown(operator: str, values: list[str]) -> list[str] | str:
    return values[0] if operator == "Bool" else sorted(set(values))


def _both(first: Conditions, second: Conditions) -> Conditions:
    return {
        operator: {
            key: [*first.get(operator, {}).get(key, []), *second.get(operator, {}).get(key, [])]
            for key in {**first.get(operator, {}), **second.get(operator, {})}
        }
        for operator in {**first, **second}
    }
