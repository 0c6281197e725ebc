"""`intermodal sagemaker-local`: SageMaker on this machine, for trying and testing without an account."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intermodal.cli.local_server import adding_faults, listening, read_fault, serve
from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

_FAULT_EXAMPLE = '{"fault": "throttle", "operation": "Create*", "times": 2}'


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        arguments: The verb's words.

    Returns:
        0 after it was told to stop.
    """
    options = _parser().parse_args(arguments)
    images, faults = _images(options), [read_fault(text, _FAULT_EXAMPLE) for text in options.fault]
    try:
        from intermodal.runtime.sagemaker_local.server import LocalSageMaker

        with listening(options.port):
            local = LocalSageMaker(_options(options, images))
    except ImportError as error:
        raise UsageError(
            "the local SageMaker is not installed", seen=error, next_step="pip install 'intermodal[sagemaker-local]'"
        ) from error
    return _serve(local, faults, as_json=options.json)


def _options(options: argparse.Namespace, images: dict[str, Path]) -> Any:
    from intermodal.runtime.sagemaker_local.service import LocalOptions

    return LocalOptions(
        home=options.home.absolute(),
        port=options.port,
        region=options.region,
        images=images,
        engine=options.engine,
        s3=options.s3,
        s3_key=_keys(options),
        grace=options.grace,
        seed=options.seed,
    )


def _serve(local: Any, faults: list[dict[str, Any]], *, as_json: bool) -> int:
    from intermodal.runtime.sagemaker_local.operations import ApiError

    with adding_faults(ApiError, local.service.close, _FAULT_EXAMPLE):
        for fault in faults:
            local.service.faults.add(fault)
    told = {"url": local.url, "home": str(local.service.home), "engine": local.service.executor.name}
    sentence = f"SageMaker (local) at {local.url}, jobs run in {told['engine']}, state in {told['home']}"
    return serve(local, told, sentence, as_json=as_json)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("sagemaker-local")
    add = parser.add_argument
    add("--port", type=int, default=4566, help="port on 127.0.0.1; 0 takes a free one")
    add("--home", type=Path, default=Path(".sagemaker-local"), help="folder for its state, jobs and logs")
    add("--region", default="us-east-1", help="the region it is")
    add("--engine", choices=("auto", "containers", "namespaces", "processes"), default="auto", help="how jobs run")
    add("--image", metavar="REF=FOLDER", action="append", default=[], help="a folder whose bin stands for an image")
    add("--images", metavar="FILE", type=Path, help="JSON file with such pairs")
    add("--s3", metavar="URL", default="", help="another S3 server, in place of one in memory")
    add("--s3-key-env", metavar="VAR", default="", help="variable with that server's ACCESS_KEY:SECRET")
    add("--grace", type=float, default=120.0, help="seconds between SIGTERM and SIGKILL of a stopped job")
    add("--seed", type=int, default=0, help="seed of faults that are left to chance")
    add("--fault", metavar="JSON", action="append", default=[], help=f"let something fail: {_FAULT_EXAMPLE}")
    return parser


def _images(options: argparse.Namespace) -> dict[str, Path]:
    pairs: dict[str, str] = {}
    if options.images is not None:
        try:
            pairs |= dict(json.loads(options.images.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError("--images cannot be read", seen=error, expected='{"REF": "FOLDER", …}') from error
    for word in options.image:
        reference, equals, folder = word.partition("=")
        if not equals or not reference or not folder:
            raise UsageError("--image takes REF=FOLDER", seen=word)
        pairs[reference] = folder
    for reference, folder in pairs.items():
        if not (Path(folder) / "bin").is_dir():
            raise UsageError(f"the folder of the image {reference} has no bin", seen=folder, expected="FOLDER/bin")
    return {reference: Path(folder).absolute() for reference, folder in pairs.items()}


def _keys(options: argparse.Namespace) -> tuple[str, str]:
    """Key and secret of the S3 server: named on the command line, never written there."""
    if not options.s3:
        return "", ""
    if options.s3_key_env:
        key, colon, secret = os.environ.get(options.s3_key_env, "").partition(":")
        if not colon:
            raise UsageError(f"{options.s3_key_env} does not hold ACCESS_KEY:SECRET")
        return key, secret
    return os.environ.get("AWS_ACCESS_KEY_ID", "test"), os.environ.get("AWS_SECRET_ACCESS_KEY", "test")
