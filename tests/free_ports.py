"""Ports for servers that tests start a moment later, and ports where nobody listens.

A port that the kernel chose is free only while it is held: before the test's own server takes it, any connection on
this machine may leave from it. So these lie below those that the kernel gives out, a share for each test process.
"""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path

_LOWEST, _SHARE = 12_000, 64
_KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_turns = itertools.count()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, another one each time."""
    shares = (_first_of_the_kernel() - _LOWEST) // _SHARE
    if shares < 1:  # a kernel that gives out nearly all of them
        return _port_of(0)
    first = _LOWEST + os.getpid() % shares * _SHARE
    for turn in itertools.islice(_turns, _SHARE):
        if port := _port_of(first + turn % _SHARE):
            return port
    raise RuntimeError(f"all ports from {first} to {first + _SHARE - 1} are taken")


def free_ports(count: int) -> list[int]:
    """Several of them.

    Args:
        count: How many, fewer than a share has.
    """
    return [free_port() for _ in range(count)]


def _first_of_the_kernel() -> int:
    try:
        return int(_KERNELS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _port_of(wanted: int) -> int:
    """The port if it is free, any free one for 0; 0 when it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
        return int(probe.getsockname()[1])
