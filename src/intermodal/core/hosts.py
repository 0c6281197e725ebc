"""The hosts that share one job, as SageMaker's `resourceconfig.json` names them; one host anywhere else."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any

from intermodal.errors import RuntimeFailed, UsageError

ROOT_VARIABLE = "INTERMODAL_ML"  # in the place of /opt/ml
_ALONE = "algo-1"
_PORTS = range(20_000, 29_400)  # from 32,768 on they are Linux's, from 29,400 on those of jobs: see `Cluster.port`
_CONFIG = "input/config/resourceconfig.json"  # of a training job
_PROCESSING_CONFIG = "config/resourceconfig.json"


@dataclass(frozen=True)
class Hosts:
    """The hosts of a job.

    Attributes:
        current: This one.
        names: All of them, sorted.
        interface: Network interface by which they reach one another.
        config: The whole of `resourceconfig.json`.
    """

    current: str = _ALONE
    names: tuple[str, ...] = (_ALONE,)
    interface: str = "lo"
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Place of this host among all; 0 for the first."""
        return self.names.index(self.current)

    @property
    def is_first(self) -> bool:
        """Whether this host is the one that publishes."""
        return self.current == self.names[0]


def hosts_here(root: Path | None = None) -> Hosts:
    """The hosts of the job that this process is part of; this machine alone outside of one.

    Args:
        root: SageMaker's folder; None for /opt/ml, or what INTERMODAL_ML names.

    Raises:
        UsageError: `resourceconfig.json` is not what SageMaker writes.
    """
    root = root or Path(os.environ.get(ROOT_VARIABLE) or "/opt/ml")
    path = root / _CONFIG
    try:
        path = path if path.is_file() else root / _PROCESSING_CONFIG
        config = json.loads(path.read_text())
        names = tuple(sorted(map(str, config["hosts"])))
        found = Hosts(str(config["current_host"]), names, str(config.get("network_interface_name") or "eth0"), config)
        found.names.index(found.current)
    except FileNotFoundError:
        return Hosts(config={"current_host": _ALONE, "hosts": [_ALONE], "network_interface_name": "lo"})
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "current_host, hosts and network_interface_name, as SageMaker writes them"
        raise UsageError("the job's hosts are not known", seen=f"{path}: {error!r}", expected=expected) from error
    return found


def count_gpus() -> int:
    """NVIDIA GPUs that this process may use; 0 where there is no driver. Nothing heavy is imported to find out."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([item for item in visible.split(",") if item.strip() and item.strip() != "-1"])
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on now, and that nobody is given by chance.

    It is none of those that Linux gives to connections and to servers that take any port, so that it is still free
    when whoever is told of it begins to listen, be it a minute later.
    """
    for port in [*SystemRandom().sample(_PORTS, 100), 0]:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise RuntimeFailed("no TCP port is free", seen="127.0.0.1", next_step="end what listens on so many ports")
