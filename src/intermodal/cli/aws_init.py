"""`intermodal aws init`: the bucket and the role that jobs need, made once, and said what was there."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from intermodal.errors import EXIT_DONE

if TYPE_CHECKING:
    from intermodal.aws.account_setup import Done
    from intermodal.aws.request import Place
    from intermodal.aws.settings import SageMakerSettings

_MARKS = {"made": "✔", "changed": "✔", "there": "≡"}


def act(options: argparse.Namespace) -> int:
    """Make what is missing; with --dry-run, print the requests and send none.

    Args:
        options: What was typed.

    Returns:
        0.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    from intermodal.aws.account_setup import account_parts, all_requests, bring_about, has_tls
    from intermodal.aws.client import find_place
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.aws.submitter_policy import general_submitter_policy
    from intermodal.cli.aws_place import place_for
    from intermodal.core.config import load_settings

    settings = sagemaker_settings(load_settings())
    chosen = replace(settings, **_chosen(options))
    if options.dry_run:
        place = place_for(chosen)
        requests = [item.to_json() for item in all_requests(place)]
        print(json.dumps({"role": place.role, "store": place.store, "requests": requests}, indent=1))
        return EXIT_DONE
    place = find_place(chosen)
    done = [bring_about(part, chosen) for part in account_parts(place, tls=has_tls())]
    policy = general_submitter_policy(place).to_json()
    _tell(done, place, policy, _lines(options, settings), as_json=options.json)
    return EXIT_DONE


def _chosen(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that the flags replace; another bucket is another store."""
    bucket = {"bucket": options.bucket, "store": ""} if options.bucket else {}
    return {**bucket, **({"role": options.role} if options.role else {})}


def _lines(options: argparse.Namespace, settings: SageMakerSettings) -> list[str]:
    """What intermodal.toml must say for jobs to use this; nothing where it is what they use anyway."""
    given = {"bucket": options.bucket, "role": options.role}
    changed = {name: value for name, value in given.items() if value and value != getattr(settings, name)}
    return ["[sagemaker]", *(f'{name} = "{value}"' for name, value in changed.items())] if changed else []


def _tell(done: list[Done], place: Place, policy: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    if as_json:
        told = {
            "account": place.account,
            "region": place.region,
            "store": place.store,
            "role": place.role,
            "parts": [asdict(item) for item in done],
            "submitter": policy,
            "intermodal.toml": "\n".join(lines),
        }
        print(json.dumps(told, indent=1))
        return
    for item in done:
        print(f"{_MARKS[item.state]} {item.name}: {item.state}")
    if lines:
        print("\nput this into intermodal.toml:\n" + "\n".join(lines))
    print("\nwhoever submits needs this policy (intermodal aws iam-policy PIPELINE --submitter writes a smaller one):")
    print(json.dumps(policy, indent=1))
