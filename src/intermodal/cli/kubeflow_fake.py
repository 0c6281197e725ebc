"""`intermodal kubeflow-fake`: Kubeflow Pipelines' API on this machine, for trying and testing."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intermodal.cli.local_server import adding_faults, listening, read_fault, serve
from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

_FAULT_EXAMPLE = '{"path": "*/runs", "method": "POST", "status": 503, "times": 2}'


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        arguments: The verb's words.

    Returns:
        0 after it was told to stop.
    """
    options = _parser().parse_args(arguments)
    os.environ.pop("_KFP_RUNTIME", None)  # with it kfp leaves out what ordering tasks needs
    from intermodal.runtime.kubeflow.fake import KubeflowFake

    given, faults = _options(options), [read_fault(text, _FAULT_EXAMPLE) for text in options.fault]
    with listening(options.port):
        fake = KubeflowFake(given)
    return _serve(fake, faults, as_json=options.json)


def _options(options: argparse.Namespace) -> Any:
    from intermodal.runtime.kubeflow.fake import FakeOptions

    return FakeOptions(
        home=options.home.absolute(),
        port=options.port,
        tasks=options.tasks,
        cache=options.cache,
        namespace=options.namespace,
        multi_user=options.multi_user,
        token=_variable("--token-env", options.token_env),
        cookie=_variable("--cookie-env", options.cookie_env),
        pod_env=_pairs("--pod-env", options.pod_env),
        pod_mounts=tuple(str(Path(item).absolute()) for item in options.pod_mount),
        secrets={key: _variable("--secret", name) for key, name in _pairs("--secret", options.secret).items()},
        config_maps=_pairs("--config-map", options.config_map),
        mlflow=options.mlflow,
        host_network=options.host_network,
    )


def _serve(fake: Any, faults: list[dict[str, Any]], *, as_json: bool) -> int:
    from intermodal.runtime.kubeflow.fake.answers import Refused

    with adding_faults(Refused, fake.backend.controller.close, _FAULT_EXAMPLE):
        for fault in faults:
            fake.fault(**fault)
    told = {"url": fake.url, "home": str(fake.options.home)}
    return serve(fake, told, f"Kubeflow Pipelines (fake) at {fake.url}, state in {told['home']}", as_json=as_json)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("kubeflow-fake")
    add = parser.add_argument
    add("--port", type=int, default=8888, help="port on 127.0.0.1; 0 takes a free one")
    add("--home", type=Path, default=Path(".kubeflow-fake"), help="folder for its state, artifacts and logs")
    add("--tasks", choices=("subprocess", "container"), default="subprocess", help="how pods run")
    add("--no-cache", dest="cache", action="store_false", help="switch KFP's cache of tasks off")
    add("--namespace", default="kubeflow", help="namespace of the pods")
    add("--multi-user", action="store_true", help="experiments belong to namespaces")
    add("--token-env", metavar="VAR", default="", help="demand the bearer token that this variable holds")
    add("--cookie-env", metavar="VAR", default="", help="demand the cookie that this variable holds")
    add("--pod-env", metavar="NAME=VALUE", action="append", default=[], help="a variable of every pod")
    add("--pod-mount", metavar="PATH", action="append", default=[], help="a folder that containers see as well")
    add("--secret", metavar="NAME.KEY=VAR", action="append", default=[], help="a secret's value, from a variable")
    add("--config-map", metavar="NAME.KEY=VALUE", action="append", default=[], help="a value of a config map")
    add("--mlflow", metavar="URI", default="", help="KFP's native MLflow: runs are made there and injected")
    add("--host-network", action="store_true", help="containers use the host's network")
    add("--fault", metavar="JSON", action="append", default=[], help=f"let something fail: {_FAULT_EXAMPLE}")
    return parser


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} takes NAME=VALUE", seen=word)
        pairs[name] = value
    return pairs


def _variable(option: str, name: str) -> str:
    """A secret's value: named on the command line, never written there."""
    if not name:
        return ""
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"{option} names a variable that is not set", seen=name, next_step=f"export {name}=…")
    return value
