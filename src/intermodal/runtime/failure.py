"""From whatever a step raised to one clear error."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

from intermodal.errors import IntermodalError, Interrupted, StepFailed, StoreFailed

_WRAPPER = ("intermodal/runtime/task.py", "kfp/dsl/executor.py")


def failure_of(error: BaseException, task: str) -> IntermodalError:
    """Turn what a step raised into an error with headline, cause and next step.

    The traceback of an unexpected error is printed, so that it stands in the task's log.

    Args:
        error: What was raised.
        task: Name of the task.

    Returns:
        `error` itself when it is one of ours.
    """
    if isinstance(error, IntermodalError):
        return error
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "BdbQuit":  # `q` in the debugger
        headline = str(error) or f"task {task} was interrupted"
        return Interrupted(headline, next_step="run the same command again to continue")
    if isinstance(error, SystemExit):
        expected = "a step that returns, or raises what went wrong"
        return StepFailed(f"task {task} ended the process", seen=f"sys.exit({error.code!r})", expected=expected)
    if is_disk_full(error):
        return StoreFailed(
            f"task {task} ran out of disk space",
            seen=error,
            expected="free space",
            next_step="free some space, or set INTERMODAL_HOME to a larger disk; then run the same command again",
        )
    _print_traceback(error)
    if isinstance(error, MemoryError):
        return StepFailed(f"task {task} ran out of memory", seen=error, next_step="give it more memory, or less data")
    return StepFailed(
        f"task {task} failed: {type(error).__name__}: {_first_line(error)}",
        seen=_place(error),
        next_step="read the last lines of its log; --debug stops at a breakpoint() in the step",
    )


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full: the system's own, ours, or a library's with the system's words."""
    known = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return known or os.strerror(errno.ENOSPC) in str(error)


def _print_traceback(error: BaseException) -> None:
    """Print the traceback from the step's own function on: the wrapper's frames tell nobody anything."""
    frame = error.__traceback__
    step = frame
    while frame is not None:
        if frame.tb_frame.f_code.co_filename.endswith(_WRAPPER):
            step = frame.tb_next
        frame = frame.tb_next
    traceback.print_exception(type(error), error, step or error.__traceback__, file=sys.stderr)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"


def _place(error: BaseException) -> str:
    """The last frame outside installed packages, which is most often where the mistake is."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and "/kfp/" not in frame.filename]
    if not frames:
        return ""
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}"
