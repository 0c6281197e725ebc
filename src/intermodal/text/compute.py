"""Where a model computes: device, number type, threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.errors import UsageError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "float32", "bfloat16")
# Processors that multiply bfloat16 matrices in hardware say so with one of these (Linux: /proc/cpuinfo).
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")


@dataclass(frozen=True)
class Place:
    """Where a model computes.

    Attributes:
        device: "cpu" or "cuda".
        precision: "float32" or "bfloat16": the type of hidden states and products; weights are always float32.
        threads: Threads on the CPU.
    """

    device: str
    precision: str
    threads: int

    @property
    def dtype(self) -> torch.dtype:
        """The type of hidden states."""
        import torch

        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32


def prepare_threads() -> None:
    """Set what PyTorch reads once, when it is first imported; call it before.

    OpenMP's threads wait for each other by spinning, unless told to sleep. Where other work shares the processors,
    sleeping took a third of the CPU time, and a third of the wall time, for the same training step. Values that the
    user has set stay.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it


def prepare_place(precision: str = "auto") -> Place:
    """Choose where to compute, and set PyTorch up for it.

    Args:
        precision: "float32", "bfloat16", or "auto" for bfloat16 where the hardware multiplies it, which is about twice
            as fast.

    Raises:
        UsageError: `precision` is none of these.
    """
    if precision not in PRECISIONS:
        raise UsageError("unknown precision", seen=precision, expected=", ".join(PRECISIONS))
    import torch

    cuda = torch.cuda.is_available()
    if cuda:
        torch.use_deterministic_algorithms(True, warn_only=True)
    beside = max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1))  # torchrun's processes on this machine
    threads = max(1, available_processors() // beside)
    torch.set_num_threads(threads)
    chosen = precision
    if precision == "auto":
        chosen = "bfloat16" if cuda or multiplies_bfloat16() else "float32"
    return Place("cuda" if cuda else "cpu", chosen, threads)


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this machine's processor multiplies bfloat16 matrices in hardware.

    Args:
        cpuinfo: Where Linux describes it; a system without such a file counts as no.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.lower().startswith(("flags", "features"))), "")
    return any(flag in flags.split() for flag in _BFLOAT16_FLAGS)


def available_processors(limit: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many processors this process may use: its affinity, and its container's quota.

    Args:
        limit: Where the container's quota stands (cgroup v2): microseconds allowed, and in how many.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = limit.read_text().split()
        quota = max(1, -(-int(allowed) // int(period)))
    except (OSError, ValueError):  # no such file, or "max": no quota
        quota = affinity
    return min(affinity, quota)
