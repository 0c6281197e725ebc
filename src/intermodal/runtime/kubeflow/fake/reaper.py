"""Removes a run's containers when the process that started them is gone, even by kill -9.

A container is no child of that process, so it does not die with it. This process waits for the end of its
standard input, which the run's process holds open and nobody else does.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Wait for the end of standard input, then remove all containers that carry the label given."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    import docker

    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": sys.argv[1]}):
        container.remove(force=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
