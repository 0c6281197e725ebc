"""Work of a service that a token makes unique: started, waited for, stopped exactly once when we are told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import Interrupted

Started = TypeVar("Started")
Ended = TypeVar("Ended")
Seen = TypeVar("Seen")
_SHORTEST_PAUSE = 0.2


def followed(
    start: Callable[[SageMakerSettings], Started],
    wait: Callable[[Started], Ended],
    stop: Callable[[Started], None],
    settings: SageMakerSettings,
) -> Ended:
    """Start work and wait for its end.

    Args:
        start: Starts it, as patient as the settings; called again it finds the same work, by its token.
        wait: Waits for its end.
        stop: Stops it.
        settings: Say whether it goes on when we are told to stop, and how patient to be.

    Returns:
        What `wait` gave.

    Raises:
        Interrupted: We were told to stop, and so was the work; as well as KeyboardInterrupt, and what the three raise.
    """
    begun: list[Started] = []
    try:
        begun.append(start(settings))
        return wait(begun[0])
    except BaseException as error:
        if told_to_stop(error) and settings.on_interrupt != "leave":
            # interrupted before the answer: nobody knows whether it began, and asking again tells what to stop
            stop(begun[0] if begun else start(settings.ending()))
        raise


def watched(
    look: Callable[[], Seen],
    ended: Callable[[Seen], bool],
    seconds: float,
    longest_pause: float,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Seen, bool]:
    """Look at work until it has ended, in pauses that grow from a fifth of a second.

    Args:
        look: Asks how the work stands.
        ended: Whether what was seen is an end.
        seconds: How long the work may take.
        longest_pause: Longest time between two looks, seconds.
        sleep: How to wait.

    Returns:
        What was seen last, and whether it was an end.
    """
    pause, deadline = _SHORTEST_PAUSE, time.monotonic() + seconds
    while True:
        seen = look()
        if ended(seen):
            return seen, True
        if time.monotonic() > deadline:
            return seen, False
        sleep(pause)
        pause = min(pause * 1.5, longest_pause)


def told_to_stop(error: BaseException) -> bool:
    """Whether an error means that this process is to end: a signal, Ctrl-C, an exit."""
    return isinstance(error, Interrupted) or not isinstance(error, Exception)
