"""`intermodal aws doctor`: whether the account is ready, and what to type next."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from intermodal.errors import EXIT_DONE, EXIT_RUNTIME_FAILED

if TYPE_CHECKING:
    from intermodal.aws.finding import Finding
    from intermodal.aws.needs import Needed

_MARKS = {"ok": "✔", "warning": "!", "wrong": "✘", "not asked": "?"}


def act(options: argparse.Namespace) -> int:
    """Print the findings.

    Args:
        options: What was typed.

    Returns:
        0 when nothing is wrong, else 5; warnings and what may not be asked are not wrong.
    """
    from intermodal.aws.diagnosis import diagnose
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.core.config import load_settings

    findings = diagnose(sagemaker_settings(load_settings()), _needed(options.pipeline))
    usable = all(item.state != "wrong" for item in findings)
    if options.json:
        print(json.dumps({"usable": usable, "findings": [asdict(item) for item in findings]}, indent=1))
    else:
        _print(findings, usable=usable)
    return EXIT_DONE if usable else EXIT_RUNTIME_FAILED


def _needed(pipeline: str) -> Needed | None:
    if not pipeline:
        return None
    from intermodal.aws.needs import needed_by
    from intermodal.cli.aws_iam_policy import requests_of

    return needed_by(requests_of(pipeline, [])[1])


def _print(findings: list[Finding], *, usable: bool) -> None:
    width = max(len(item.check) for item in findings)
    for item in findings:
        print(f"{_MARKS[item.state]} {item.check.ljust(width)}  {item.detail}")
        if item.next:
            print(f"  {' ' * width}  → {item.next}")
    print("pipelines can run on SageMaker" if usable else "pipelines cannot run on SageMaker yet")
