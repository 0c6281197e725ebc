"""Run a command that dies with its parent, even when the parent is killed by kill -9.

python -I child.py PARENT COMMAND [ARGUMENT …]

It imports nothing but the standard library, and in isolated mode nothing from the directory that the command runs in.
"""

from __future__ import annotations

import os
import signal
import sys

_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


def bound_to_parent(command: list[str]) -> list[str]:
    """The command line that runs `command` so; to be started by this very process, in its main thread."""
    return [sys.executable, "-I", __file__, str(os.getpid()), *command]


def die_with(parent: int) -> None:
    """End this process when its parent ends; only where Linux can do that.

    Args:
        parent: The parent's process id.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request was made
        os._exit(137)


if __name__ == "__main__":
    die_with(int(sys.argv[1]))  # holds across exec
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  no shell is meant
    except OSError as error:
        sys.exit(f"{sys.argv[2]} cannot be started: {error}")
