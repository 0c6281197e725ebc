"""A profile of a few steps of a PyTorch training, where the environment names a directory for it.

SageMaker's own Debugger and Profiler are configured in the request and attach themselves; this is for everywhere else,
and for who wants to see single kernels: `trace.json` opens in chrome://tracing and in Perfetto.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

VARIABLE = "INTERMODAL_PROFILE"
_SKIPPED, _WARM, _PROFILED = 2, 1, 5  # steps


@contextlib.contextmanager
def profiled(rank: int = 0) -> Iterator[Callable[[], None]]:
    """Profile some of the first steps of what is inside.

    Args:
        rank: Number of this process; each writes a trace of its own.

    Yields:
        To be called after every step; it does nothing where no directory is named.
    """
    directory = os.environ.get(VARIABLE)
    if not directory:
        yield lambda: None
        return
    from torch import profiler

    target = Path(directory) / os.environ.get("INTERMODAL_TASK", "")
    name = f"trace-{rank}.json" if rank else "trace.json"

    def write(found: profiler.profile) -> None:
        target.mkdir(parents=True, exist_ok=True)
        found.export_chrome_trace(str(target / name))

    plan = profiler.schedule(wait=_SKIPPED, warmup=_WARM, active=_PROFILED, repeat=1)
    with profiler.profile(schedule=plan, on_trace_ready=write) as running:
        yield running.step
