"""A training's curves as TensorBoard event files, where the environment names a directory for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.errors import UsageError

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

VARIABLE = "INTERMODAL_TENSORBOARD"
_FLUSH_SECONDS = 5


class EventFiles:
    """Writes scalars to event files.

    Args:
        directory: Made.

    Raises:
        UsageError: tensorboardX is not installed, or the directory cannot be written to.
    """

    def __init__(self, directory: Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError as error:
            next_step = "pip install -c constraints.txt tensorboardx, or leave the variable away"
            raise UsageError(f"{VARIABLE} needs tensorboardX", seen=error, next_step=next_step) from error
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._writer: SummaryWriter = SummaryWriter(str(directory), flush_secs=_FLUSH_SECONDS)
        except OSError as error:
            expected = "a directory that can be written to"
            raise UsageError("no event files can be written", seen=error, expected=expected) from error

    @classmethod
    def here(cls) -> EventFiles | None:
        """Event files in the directory that the environment names, a folder for each task; None when it names none.

        Raises:
            UsageError: As the class raises it.
        """
        directory = os.environ.get(VARIABLE)
        return cls(Path(directory) / os.environ.get("INTERMODAL_TASK", "")) if directory else None

    def add(self, series: str, step: int, value: float) -> None:
        """Write a point of a curve."""
        self._writer.add_scalar(series, value, step)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
