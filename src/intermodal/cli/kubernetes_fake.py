"""`intermodal kubernetes-fake`: a strict Kubernetes API server on this machine, on which nothing runs."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from intermodal.cli.main import new_parser
from intermodal.errors import RuntimeFailed


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        RuntimeFailed: The port is taken.
    """
    parser = new_parser("kubernetes-fake")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument(
        "--crds", default="", help="a folder of CustomResourceDefinitions that are there from the start"
    )
    parser.add_argument("--kubeconfig", default="", help="write a kubeconfig here")
    options = parser.parse_args(arguments)
    from intermodal.runtime.kubernetes_fake import Cluster, serving, write_kubeconfig
    from intermodal.runtime.manifests.checking import read_definitions

    cluster = Cluster(read_definitions(Path(options.crds)) if options.crds else ())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with serving(cluster, options.port) as server:
            if options.kubeconfig:
                write_kubeconfig(Path(options.kubeconfig), server.url)
            print(json.dumps({"url": server.url}) if options.json else f"listening on {server.url}", flush=True)
            _wait(stop)
    except OSError as error:
        raise RuntimeFailed(
            f"port {options.port} cannot be had", seen=error, next_step="choose another --port"
        ) from error
    return 0


def _wait(stop: threading.Event) -> None:
    try:
        stop.wait()
    except KeyboardInterrupt:  # the way a person ends a server
        return
