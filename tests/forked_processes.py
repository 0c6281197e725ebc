"""Submitters and recorders as processes of their own, forked from one that has imported what is slow to import."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

_PATIENCE = 120.0


class ForkedRecorder:
    """The recorder's process, forked from one that has imported MLflow; in the place of a `subprocess.Popen`.

    Args:
        uri: MLflow's tracking URI.
        folder: Of the run; takes the recorder's log.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_record(uri, folder, theirs_in, theirs_out, (ours_in, ours_out)))
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_out, "w"), os.fdopen(ours_in)

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            except ChildProcessError:  # another thread has waited for it
                self.returncode = 0
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("recorder", timeout or 0.0)
            time.sleep(0.005)
        return code

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)


def _record(uri: str, folder: Path, stdin: int, stdout: int, others: tuple[int, int]) -> int:
    from intermodal.tracking.recorder_loop import main

    os.setsid()
    log = os.open(folder / "tracking.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((stdin, 0), (stdout, 1), (log, 2)):
        os.dup2(source, target)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in others:
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["recorder", "--uri", uri]
    try:
        return int(main() or 0)
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException as error:
        print(f"the recorder raised {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1


class Submitter:
    """`intermodal WORDS…` as a process of its own.

    Args:
        words: The words.
        variables: Variables beside this process's.
        log: File that takes all it prints.
    """

    def __init__(self, words: list[str], variables: dict[str, str], log: Path) -> None:
        self.words, self.log, self._code = words, log, None
        log.parent.mkdir(parents=True, exist_ok=True)
        self._before = log.stat().st_size if log.exists() else 0
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_child(words, variables, log))

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None when it still runs after so long."""
        until = time.monotonic() + seconds
        while self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                return None
            else:
                time.sleep(0.01)
        return self._code

    def goes_on(self, chance: random.Random, longest: float) -> bool:
        """Whether it still runs at a moment by chance: of its whole life, or of the time after it asked for a job."""
        if chance.random() < 0.5:
            return self.wait(chance.uniform(0.1, longest)) is None
        until = time.monotonic() + _PATIENCE
        while "submitted" not in self.printed() and "adopted" not in self.printed():
            if self.wait(0.02) is not None or time.monotonic() > until:
                break
        return self.wait(chance.uniform(0.0, longest / 4)) is None

    def printed(self) -> str:
        """What it has printed; others may have printed into the same file before it."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._before :].decode(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


def _child(words: list[str], variables: dict[str, str], log: Path) -> int:
    from intermodal.aws.client import renew_clients
    from intermodal.cli.main import main
    from intermodal.store import s3

    renew_clients()  # a process of its own looks for credentials itself
    s3._client.cache_clear()
    os.setsid()
    os.environ |= variables
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        return main(words)
    except BaseException as error:
        print(f"the submitter raised {type(error).__name__}: {error}", file=sys.stderr)
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def preload() -> None:
    """Import what every submitter and its recorder would import, once."""
    import boto3  # noqa: F401
    import kfp.compiler
    import kfp.local  # noqa: F401
    import mlflow.store.tracking.sqlalchemy_store
    import mlflow.tracking  # noqa: F401

    from intermodal.tracking import delivery

    delivery._spawn = ForkedRecorder
