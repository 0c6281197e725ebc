"""Work of a service that a token makes unique: started, waited for, stopped exactly once when we are told to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from intermodal.errors import Interrupted

Started = TypeVar("Started")
Ended = TypeVar("Ended")


def followed(
    start: Callable[[], Started], wait: Callable[[Started], Ended], stop: Callable[[Started], None], *, leave: bool
) -> Ended:
    """Start work and wait for its end.

    Args:
        start: Starts it; called again it finds the same work, because its token is the same.
        wait: Waits for its end.
        stop: Stops it.
        leave: Whether it goes on when we are told to stop.

    Returns:
        What `wait` gave.

    Raises:
        Interrupted: We were told to stop, and so was the work; as well as KeyboardInterrupt, and what the three raise.
    """
    begun: list[Started] = []
    try:
        begun.append(start())
        return wait(begun[0])
    except BaseException as error:
        if told_to_stop(error) and not leave:
            # interrupted before the answer: nobody knows whether it began, and asking again tells what to stop
            stop(begun[0] if begun else start())
        raise


def told_to_stop(error: BaseException) -> bool:
    """Whether an error means that this process is to end: a signal, Ctrl-C, an exit."""
    return isinstance(error, Interrupted) or not isinstance(error, Exception)
