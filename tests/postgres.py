"""A real PostgreSQL server for tests, on loopback, in a temporary directory.

Debian's package `postgresql` brings the programs (`apt-get install -y postgresql`); no cluster of its own is used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from free_ports import free_port

_START_SECONDS = 180.0


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    port: int

    def create_database(self, name: str) -> str:
        """Make an empty database and return its URI."""
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres")
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{name}"


def program(name: str) -> str | None:
    """Path of one of PostgreSQL's programs, or None when it is not installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else shutil.which(name)


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL server until the block ends.

    Yields:
        The server, once it answers.
    """
    directory = Path(tempfile.mkdtemp(prefix="intermodal-postgres-"))
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(directory, "postgres", "postgres")
    port = free_port()
    data = directory / "data"
    _run("initdb", f"--pgdata={data}", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory} -c fsync=off"
    try:
        _run("pg_ctl", "start", f"--pgdata={data}", f"--log={directory / 'log'}", f"--options={options}", "--wait")
        _wait(port)
        yield Postgres(port)
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            _run("pg_ctl", "stop", f"--pgdata={data}", "--mode=immediate")
        shutil.rmtree(directory, ignore_errors=True)


def _run(name: str, *arguments: str) -> None:
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    command = [*as_postgres, str(program(name)), *arguments]
    # pg_ctl's server inherits the streams: a pipe would never end.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdout=said, stderr=said, timeout=_START_SECONDS, cwd="/")
        if done.returncode:
            said.seek(0)
            raise subprocess.SubprocessError(f"{name}: {said.read().decode()[-2000:]}")


def _wait(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise TimeoutError("PostgreSQL did not start")
        time.sleep(0.1)
