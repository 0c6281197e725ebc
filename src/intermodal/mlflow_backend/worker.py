"""The process that does the work, as its launcher holds it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intermodal.errors import EXIT_INTERRUPTED, IntermodalError, RuntimeFailed, from_json
from intermodal.runtime.entry import CANCEL, ENDED, READY, REFUSED, EntryRequest, Permission

# The experiment is given by name; with its id beside it, `mlflow run` within a step would refuse both.
_NOT_INHERITED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "_KFP_RUNTIME")
_PATIENCE = 420.0  # seconds to stop in: a service's job takes minutes, and MLflow's last records some more


class Worker:
    """`intermodal entry` in a project's directory; it stops when this process is gone.

    What it prints goes to this process's standard error as it comes.

    Args:
        project: The project's directory; its own modules, and those under `src`, come before installed ones, so that
            the version that was asked for is the one that runs.
        environment: Variables over this process's own.
    """

    def __init__(self, project: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "intermodal", "entry"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=project,
            env=_environment(project, environment),
            text=True,
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which then stops it in order
        )
        self._ended: dict[str, Any] = {}
        self._allowed = False

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still works."""
        return self._process.poll() is None

    @property
    def killed(self) -> bool:
        """Whether it was killed, and so could not say how it ended."""
        return (self._process.poll() or 0) < 0

    @property
    def state(self) -> str:
        """How it ended, as MLflow says it."""
        code = self._process.returncode
        return "FINISHED" if code == 0 else "KILLED" if self.killed or code == EXIT_INTERRUPTED else "FAILED"

    @property
    def error(self) -> IntermodalError | None:
        """What ended it; None when it went well, or was killed before it could say."""
        fields = self._ended.get("error")
        return from_json(fields) if fields else None

    def ask(self, request: EntryRequest) -> None:
        """Have everything checked that can be checked before a run.

        Raises:
            IntermodalError: The project, a parameter or the runtime is not as it should be.
        """
        self._say(json.dumps(asdict(request)))
        answer = self._hear(READY, REFUSED)
        if answer.get("event") == READY:
            return
        self._process.wait()
        raise (
            from_json(answer["error"])
            if answer
            else RuntimeFailed(
                "the project could not be loaded",
                seen=f"exit code {self._process.returncode}",
                expected="a project whose code imports in this environment",
                next_step="read what it printed above",
            )
        )

    def allow(self, permission: Permission) -> None:
        """Let the work begin."""
        self._allowed = True
        self._say(json.dumps(asdict(permission)))

    def join(self) -> None:
        """Wait until it has ended."""
        self._ended = self._hear(ENDED) or self._ended
        self._process.wait()

    def stop(self) -> None:
        """Tell it to stop, and wait until it and all that it started has.

        Before it was allowed to begin it hears nothing while it imports, and has nothing to put in order.
        """
        if not self.running:
            return
        if self._allowed:
            self._say(CANCEL)
        else:
            self._process.terminate()
        self.leave()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self.join()

    def leave(self) -> None:
        """Close the line to it: it stops, unless it was told to stay."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # it may have died; whoever reads its answer finds out
            if self._process.stdin is not None:
                self._process.stdin.write(text + "\n")
                self._process.stdin.flush()

    def _hear(self, *events: str) -> dict[str, Any]:
        """Its next line about one of these events; nothing when it ended without."""
        if self._process.stdout is None or self._process.stdout.closed:
            return {}
        _let_interrupts_in()
        for text in self._process.stdout:
            with contextlib.suppress(ValueError):
                answer = json.loads(text)
                if answer["event"] in events:
                    return dict(answer)
        return {}


def _let_interrupts_in() -> None:
    """Let Ctrl-C end a read that waits.

    Polars, and pyarrow's file systems, which MLflow imports, put a handler of SIGINT before Python's own that has
    the kernel go on with the read: Ctrl-C would be heard only when the next line comes, which may be the last.
    """
    signal.siginterrupt(signal.SIGINT, True)


def _environment(project: Path, own: Mapping[str, str]) -> dict[str, str]:
    """This process's variables, with the project's code first on Python's path, and no run of another's."""
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    own_code = [str(project / "src"), str(project)] if (project / "src").is_dir() else [str(project)]
    paths = [*own_code, *(item for item in os.environ.get("PYTHONPATH", "").split(os.pathsep) if item)]
    return {**inherited, "PYTHONPATH": os.pathsep.join(os.path.abspath(item) for item in paths), **own}
