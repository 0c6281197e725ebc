"""Ports that are free, and stay free until whoever is told of them listens."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from intermodal.core import hosts
from intermodal.core.hosts import free_port
from intermodal.errors import RuntimeFailed


def test_a_free_port_is_none_that_linux_gives_to_others() -> None:
    told = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(told.read_text().split()[0]) if told.exists() else 32_768
    if first < 29_400:
        pytest.skip(f"this machine gives away ports from {first} on")
    found = {free_port() for _ in range(50)}
    assert max(found) < first
    assert len(found) > 40  # whoever else looks for one at the same time finds another


def test_a_port_that_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(hosts, "_PORTS", [number] * 100)
        assert free_port() != number


def test_where_no_port_is_free_one_clear_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(socket.socket):
        def bind(self, _address: Any) -> None:
            raise OSError("no more ports")

    monkeypatch.setattr(hosts.socket, "socket", Full)
    with pytest.raises(RuntimeFailed, match="no TCP port is free"):
        free_port()
