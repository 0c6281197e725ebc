"""Three ways to run a task on this machine: in this process, as a process of its own, in a container."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from intermodal.core.events import JOURNAL_VARIABLE
from intermodal.errors import Interrupted, StepFailed
from intermodal.runtime.context import CONTEXT_VARIABLES
from intermodal.runtime.local.processes import GRACE_SECONDS, Processes, Watch
from intermodal.runtime.outcome import FAILED, Outcome
from intermodal.runtime.task import Task, run_task


@dataclass(frozen=True)
class Launch:
    """One task, about to be run.

    Attributes:
        task: The task.
        step: "module:function" of its step.
        command: The component's command, placeholders replaced.
        image: Image reference.
        environment: Variables the component sets.
        started: Called with the number of the process, once it runs.
        watch: Called again and again while it runs, to show its log and progress.
        placed: Called with the job, {"service", "kind", "name", "url"}, where a service runs the task.
        billed: Called with what the job was charged with, once that is known.
    """

    task: Task
    step: str
    command: list[str]
    image: str
    environment: dict[str, str]
    started: Callable[[int], None]
    watch: Watch
    placed: Callable[[dict[str, str]], None] = lambda _job: None
    billed: Callable[[dict[str, Any]], None] = lambda _bill: None


class Launcher(ABC):
    """Runs tasks one way."""

    mode: str

    @property
    def starting(self) -> bool:
        """Whether this thread is starting a process that would be lost if it were interrupted now."""
        return False

    @abstractmethod
    def run(self, launch: Launch) -> Outcome:
        """Run a task to its end.

        Returns:
            Its outcome; FAILED when it left none.
        """

    @abstractmethod
    def terminate(self) -> None:
        """Tell whatever runs to stop, without waiting; called from a signal handler."""

    @abstractmethod
    def stop(self) -> None:
        """Stop whatever runs, and wait until it has."""


class InProcess(Launcher):
    """Runs the step in this very process, so that a breakpoint() in it works.

    Where standard output is no terminal, it is a script's that waits for the result alone: what a step
    prints goes to standard error then. Iterations of a loop wait for one another: they would share
    environment variables, standard output and the debugger.
    """

    mode = "in-process"

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._stopped = False

    def run(self, launch: Launch) -> Outcome:
        """See `Launcher.run`."""
        with self._one_at_a_time:
            if self._stopped:
                raise Interrupted("the run was told to stop", next_step="run the same command again to continue")
            return self._run(launch)

    def _run(self, launch: Launch) -> Outcome:
        launch.started(os.getpid())
        aside = contextlib.nullcontext() if sys.stdout.isatty() else contextlib.redirect_stdout(sys.stderr)
        with _environment({**launch.environment, **launch.task.context.to_environment()}), aside:
            outcome = run_task(launch.task)
        launch.watch()
        return outcome

    def terminate(self) -> None:
        """See `Launcher.terminate`: the step runs in the thread that is interrupted."""
        self._stopped = True

    def stop(self) -> None:
        """See `Launcher.stop`: the step ran in the thread that was interrupted, so it has stopped."""
        self._stopped = True


class Subprocess(Launcher):
    """Runs each task as a process that dies with this one.

    Args:
        grace: Seconds between telling a task to stop and ending it.
    """

    mode = "subprocess"

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self._processes = Processes(grace)

    @property
    def starting(self) -> bool:
        """See `Launcher.starting`."""
        return self._processes.starting

    def run(self, launch: Launch) -> Outcome:
        """See `Launcher.run`."""
        context = launch.task.context
        context.outcome.unlink(missing_ok=True)
        given = context.folder / "executor_input.json"
        command = [sys.executable, "-u", "-m", "intermodal", "task", "--step", launch.step]
        command += ["--executor_input", f"@{given}"]
        code = self._processes.run(command, self._environment(launch), context.log, launch.watch, launch.started)
        return Outcome.load(context.outcome) or vanished(context.task, code)

    def terminate(self) -> None:
        """See `Launcher.terminate`."""
        self._processes.terminate()

    def stop(self) -> None:
        """See `Launcher.stop`: SIGTERM, and SIGKILL for what does not listen."""
        self._processes.stop()

    def _environment(self, launch: Launch) -> dict[str, str]:
        known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        # Installed packages are found by the same Python anyway; what the user named is named again.
        paths = [item for item in sys.path if item in known or "site-packages" not in item]
        inherited = {name: value for name, value in os.environ.items() if name not in CONTEXT_VARIABLES}
        return {
            **inherited,
            "_KFP_RUNTIME": "true",
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(item for item in [*paths, *known] if item)),
            "INTERMODAL_PARENT": str(os.getpid()),
            **launch.environment,
            **launch.task.context.to_environment(),
        }


def vanished(task: str, code: int | None) -> Outcome:
    """The outcome of a task that ended without a word: killed, most often for want of memory."""
    how = f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
    error = StepFailed(
        f"task {task} ended without saying how",
        seen=how,
        expected="an outcome",
        next_step="read its log; if it was killed for want of memory, give it less data or more memory",
    )
    return Outcome(state=FAILED, error=error.to_json())


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for a task in this process, put back afterwards."""
    names = {*values, JOURNAL_VARIABLE}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
