"""Ends pods and jobs when the process that runs them is gone, even by kill -9.

A pod's own children do not die with it, and a container is no child at all. So this process waits for the
end of its standard input, which the run's process holds open and nobody else does, and reads there which
process groups are pods: "start NUMBER" and "end NUMBER", a line each. It is run as a file of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


class Reaper:
    """That process, as the run's process sees it.

    Args:
        label: Docker label of the run's containers; empty when there are none.
    """

    def __init__(self, label: str = "") -> None:
        # -P: beside this file lie modules called like some of the standard library.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__)), label], stdin=subprocess.PIPE, start_new_session=True
        )

    def started(self, group: int) -> None:
        """A pod runs as this process group."""
        self._tell(f"start {group}\n")

    def ended(self, group: int) -> None:
        """It has ended; its number may be another's from now on."""
        self._tell(f"end {group}\n")

    def close(self) -> None:
        """End what still runs, and itself."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ValueError):  # it is gone, or closed
                os.write(self._process.stdin.fileno(), line.encode())  # one write a line, from several threads


def main() -> int:
    """Wait for the end of standard input, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        word, number_text = line.split()
        (groups.add if word == "start" else groups.discard)(int(number_text))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    if sys.argv[1]:
        _remove_containers(sys.argv[1])
    return 0


def _remove_containers(label: str) -> None:
    import docker

    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": label}):
        container.remove(force=True)


if __name__ == "__main__":
    sys.exit(main())
