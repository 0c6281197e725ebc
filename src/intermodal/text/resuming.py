"""What makes a training resumable: its state saved now and then, and once more when it is told to stop.

Signals that would interrupt a step are held back until the step is done, so that what is saved is the state between
two steps, never one in the middle.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from intermodal.core.checkpoints import Checkpoint, Checkpoints
from intermodal.errors import Interrupted
from intermodal.text.processes import Processes

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.curves import Curves

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class State(Protocol):
    """All that the next step of a training depends on.

    Attributes:
        step: Steps done.
        judged: Epochs after which the validation rows were rated.
    """

    step: int
    judged: int

    def facts(self) -> dict[str, Any]:
        """Whatever is no tensor, as JSON holds it."""
        ...

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights, what the optimizer remembers, random generators."""
        ...

    def restore(self, facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
        """Take over what another process' `facts` and `tensors` said."""
        ...


class Saver:
    """Saves a training's state, and gives it back.

    Args:
        checkpoints: Where; None for nowhere, as in every process but the first, and nothing is paid then.
        curves: Saved and restored with the state.
        together: The processes that train together: the first of them writes and reads for all.
    """

    def __init__(self, checkpoints: Checkpoints | None, curves: Curves, together: Processes | None = None) -> None:
        self._checkpoints, self._curves, self._together = checkpoints, curves, together or Processes()
        self._told = 0  # points of the curves that belong to the state
        self._inside = False
        self._held: Callable[[], Any] | None = None
        self.resumed_from = 0

    def restore(self, state: State) -> None:
        """Bring a training to where its newest checkpoint was; leave it as it is when there is none."""
        found = self._found()
        if found is None:
            return
        state.restore(found.facts["state"], found.tensors)
        state.step, state.judged = found.position, int(found.facts["judged"])
        self._curves.restore([(str(series), int(step), float(value)) for series, step, value in found.facts["curves"]])
        self._told, self.resumed_from = len(self._curves), found.position

    def _found(self) -> Checkpoint | None:
        return self._together.from_first(lambda: self._checkpoints.newest() if self._checkpoints else None)

    @contextlib.contextmanager
    def guard(self, state: State) -> Iterator[None]:
        """Save the state if the training inside is told to stop, before it stops."""
        if self._checkpoints is None:
            yield
            return
        with self._holding():
            try:
                yield
            except (Interrupted, KeyboardInterrupt):
                self._save(state)
                raise

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """What is inside is done wholly: a signal that comes meanwhile is delivered after it."""
        self._inside = True
        try:
            yield
            self._told = len(self._curves)
        finally:
            self._inside = False
        if self._held is not None:
            held, self._held = self._held, None
            held()

    def keep(self, state: State, *, now: bool = False) -> None:
        """Save the state when that is due, or `now`."""
        if self._checkpoints is not None and (now or self._checkpoints.due):
            self._save(state)

    def _save(self, state: State) -> None:
        if self._checkpoints is None:
            return
        facts = {"judged": state.judged, "curves": self._curves.points()[: self._told], "state": state.facts()}
        self._checkpoints.save(Checkpoint(state.step, facts, state.tensors()))

    @contextlib.contextmanager
    def _holding(self) -> Iterator[None]:
        """Hold signals back while inside `whole`; only the main thread may, and only what is handled in Python."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        mine = {number: self._handler(handler) for number, handler in before.items() if callable(handler)}
        for number, handler in mine.items():
            signal.signal(number, handler)
        try:
            yield
        finally:
            for number, handler in mine.items():
                if signal.getsignal(number) is handler:  # whoever answered may have chosen to ignore the next one
                    signal.signal(number, before[number])

    def _handler(self, before: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        def answer(number: int, frame: FrameType | None) -> None:
            if self._inside:
                self._held = lambda: before(number, frame)
            else:
                before(number, frame)

        return answer
