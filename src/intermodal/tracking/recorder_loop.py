"""The recorder as a process: commands in, answers out, retries in between.

A command is {"seq", "verb", …arguments}; its answer {"seq", "ok": true, "result"} or {"seq", "ok": false, "error"}.
While MLflow does not answer, {"seq", "trouble"} tells so and the command is tried again, in order, for as
long as the caller lives, and `PATIENCE` seconds longer. A caller that goes away without "close" was killed: the
runs it left open are ended as KILLED.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from intermodal.tracking.faults import describe, is_transient
from intermodal.tracking.mlflow_import import import_light
from intermodal.tracking.recorder import Recorder
from intermodal.tracking.store_init import artifact_root, ensure_store, prefer_speed, tidy

PATIENCE = 10.0
VERBS = (
    "start_pipeline",
    "start_task",
    "adopt",
    "join_pipeline",
    "settle_parent",
    "bind",
    "reopen",
    "log_batch",
    "log_inputs",
    "log_artifacts",
    "set_tags",
    "watch",
    "end",
    "mark_dead",
)
_FIRST_DELAY, _LAST_DELAY = 0.2, 3.0
_QUEUED = 10_000  # commands held here; the caller's journal holds the rest
_TICK = 0.25  # seconds between looks at the watched processes
_END = {"verb": "eof"}


class Loop:
    """Carries out commands one by one.

    Args:
        commands: Filled by a reader; `_END` marks the end of input.
        answer: Called with every answer.
        connect: Makes the recorder; may fail while MLflow is away.
        patience: Seconds to go on trying once the caller has gone.
    """

    def __init__(
        self,
        commands: queue.Queue[dict[str, Any]],
        answer: Callable[[dict[str, Any]], None],
        connect: Callable[[], Recorder],
        patience: float = PATIENCE,
    ) -> None:
        self._commands = commands
        self._answer = answer
        self._connect = connect
        self._patience = patience
        self._caller = os.getppid()
        self._recorder: Recorder | None = None
        self.deadline: float | None = None  # set when the caller has gone
        self.closed = False

    def warm_up(self) -> None:
        """Connect before the first command comes; should that fail, the command tries again."""
        try:
            self._recorder = self._connect()
        except Exception as error:
            print(describe(error), file=sys.stderr)

    def input_ended(self) -> None:
        """The caller closed its end: from now on, faults are borne for `patience` seconds only."""
        self.deadline = time.monotonic() + self._patience

    def run(self) -> int:
        """Work until the input ends.

        Returns:
            Exit status: 0, or 75 ("try again later") when commands were given up.
        """
        while (command := self._next()) is not _END:
            if command["verb"] == "close":
                self.closed = True
            elif not self._carry_out(command):
                return os.EX_TEMPFAIL
        if self._recorder and not self.closed:
            return 0 if self._try({"verb": "end_open_runs"}, self._recorder.end_open_runs) else os.EX_TEMPFAIL
        return 0

    def _next(self) -> dict[str, Any]:
        while True:
            try:
                return self._commands.get(timeout=_TICK)
            except queue.Empty:
                self._sample()

    def _sample(self) -> None:
        if self._recorder:
            try:
                self._recorder.sample()
            except Exception as error:  # samples are worth one attempt only
                print(f"system metrics were not recorded: {error}", file=sys.stderr)

    def _carry_out(self, command: dict[str, Any]) -> bool:
        fields = {key: value for key, value in command.items() if key not in ("seq", "verb")}

        def work() -> Any:
            self._recorder = self._recorder or self._connect()
            if command["verb"] not in VERBS:
                raise ValueError(f"unknown verb {command['verb']!r}")
            return getattr(self._recorder, command["verb"])(**fields)

        return self._try(command, work, retried=lambda: fields.update(_again(command)))

    def _try(self, command: dict[str, Any], work: Callable[[], Any], retried: Callable[[], Any] = int) -> bool:
        """Do the work, again and again while the fault is MLflow's; False when time is up."""
        delay = _FIRST_DELAY
        while True:
            try:
                self._answer({"seq": command.get("seq"), "ok": True, "result": work()})
                return True
            except Exception as error:
                if not is_transient(error):
                    self._answer({"seq": command.get("seq"), "ok": False, "error": describe(error)})
                    return True
                self._answer({"seq": command.get("seq"), "trouble": describe(error)})
            if self._out_of_time(delay):
                return False
            time.sleep(delay)
            delay = min(2 * delay, _LAST_DELAY)
            retried()

    def _out_of_time(self, delay: float) -> bool:
        # With a full queue the end of input is not seen, but a caller that died is.
        if self.deadline is None and os.getppid() != self._caller:
            self.deadline = time.monotonic() + self._patience
        return self.deadline is not None and time.monotonic() + delay > self.deadline


def main(arguments: list[str] | None = None) -> int:
    """Run the recorder process.

    Args:
        arguments: Command line, without the program.

    Returns:
        Exit status, see `Loop.run`.
    """
    parser = argparse.ArgumentParser(prog="python -m intermodal.tracking.recorder", description=__doc__)
    parser.add_argument("--uri", required=True, help="MLflow tracking URI")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds to go on trying at the end")
    options = parser.parse_args(arguments)
    answers = _private_stdout()
    # Ctrl-C and SIGTERM are the caller's to answer; this process ends when its caller closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    commands: queue.Queue[dict[str, Any]] = queue.Queue(_QUEUED)
    loop = Loop(commands, lambda answer: _say(answers, answer), lambda: _connect(options.uri), options.patience)
    threading.Thread(target=_read, args=(commands, loop), daemon=True).start()
    loop.warm_up()
    try:
        return loop.run()
    finally:
        tidy(options.uri)


def _again(command: dict[str, Any]) -> dict[str, Any]:
    # The server may have done what it could not say it had done.
    return {"again": True} if command["verb"].startswith("start_") else {}


def _connect(uri: str) -> Recorder:
    client = import_light()
    ensure_store(uri)
    prefer_speed(uri)
    return Recorder(client(uri, uri), artifact_root(uri))


def _private_stdout() -> TextIO:
    """Keep stdout for answers: whatever else is printed goes to stderr."""
    private = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return private


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the caller died; its runs still have to be ended
        print(json.dumps(answer), file=answers, flush=True)


def _read(commands: queue.Queue[dict[str, Any]], loop: Loop) -> None:
    for line in sys.stdin:
        commands.put(json.loads(line))
    loop.input_ended()
    commands.put(_END)
