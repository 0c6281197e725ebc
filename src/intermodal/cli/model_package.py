"""`intermodal model-package`: versions in SageMaker's model registry, listed, approved, rejected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

_DONE = {"approve": "Approved", "reject": "Rejected", "reset": "PendingManualApproval"}


def main(arguments: Sequence[str]) -> int:
    """List the versions of a group, or decide on one.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        UsageError: A word is wrong, or there is no such version.
        RuntimeFailed: AWS refused, or did not answer.
    """
    parser = new_parser("model-package")
    parser.add_argument("what", choices=("list", *_DONE), help="list the versions, or decide on one")
    parser.add_argument("group", help="model package group, such as reviews")
    parser.add_argument("version", nargs="?", type=int, default=0, help="the version's number (default: the newest)")
    parser.add_argument("--reason", default="", help="why, kept with the version")
    options = parser.parse_args(arguments)
    from intermodal.aws.calls import Calls
    from intermodal.aws.client import account_of
    from intermodal.aws.model_packages import approval_request
    from intermodal.aws.sending import answered
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.core.config import load_settings

    settings = sagemaker_settings(load_settings())
    account_of(settings)  # says at once that nobody answers, or that there are no credentials
    listed = Calls("sagemaker", settings).pages(
        "ListModelPackages", "ModelPackageSummaryList", ModelPackageGroupName=options.group
    )
    found = {int(item["ModelPackageVersion"]): item for item in listed}
    if options.what == "list":
        rows = [_row(item) for _number, item in sorted(found.items(), reverse=True)]
        text = "\n".join("  ".join(row.values()) for row in rows) or "none"
        print(json.dumps(rows, indent=1) if options.json else text)
        return 0
    number = options.version or max(found, default=0)
    if number not in found:
        known = ", ".join(map(str, sorted(found))) or "none yet"
        raise UsageError(f"{options.group} has no such version", seen=number, expected=known)
    arn, status = str(found[number]["ModelPackageArn"]), _DONE[options.what]
    answered(approval_request(arn, status, options.reason), settings)
    told = {"version": str(number), "approval": status, "arn": arn}
    print(json.dumps(told, indent=1) if options.json else "  ".join(told.values()))
    return 0


def _row(item: dict[str, Any]) -> dict[str, str]:
    return {
        "version": str(item["ModelPackageVersion"]),
        "approval": str(item["ModelApprovalStatus"]),
        "description": str(item.get("ModelPackageDescription", "")),
    }
