"""Which image is which folder of programs, and which may run in the service's own Python environment."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

# "…/intermodal/torch:1.0", below a registry or not, by tag or digest.
ENTRY_POINT = ("python3", "-m", "intermodal")  # of the family that serves
_OURS = re.compile(r"(?:.+/)?intermodal[/-]([a-z]+)([:@].*)?")


@dataclass(frozen=True)
class ImageFolder:
    """What stands for an image.

    Attributes:
        path: Folders of programs, before the system's.
        environment: Variables that the image would have set.
        entry_point: The image's own entry point, before the words that SageMaker gives.
    """

    path: tuple[Path, ...]
    environment: dict[str, str] = field(default_factory=dict)
    entry_point: tuple[str, ...] = ()


class Images:
    """Image references and what stands for them.

    Args:
        folders: Reference → folder with `bin` in it; a program `entrypoint` there is the image's entry point.
    """

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = dict(folders)

    def add(self, reference: str, folder: Path) -> None:
        """Let a folder stand for an image."""
        self._folders[reference] = folder

    def mapped(self, reference: str) -> bool:
        """Whether somebody said that a folder stands for the image."""
        return reference in self._folders

    def find(self, reference: str) -> ImageFolder | None:
        """What stands for an image; None when nothing does."""
        folder = self._folders.get(reference)
        if folder is not None:
            program = folder.absolute() / "bin" / "entrypoint"
            return ImageFolder((program.parent,), entry_point=(str(program),) if program.is_file() else ())
        if own_name(reference):
            kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
            return ImageFolder((Path(sys.executable).parent,), kept, ENTRY_POINT)
        return None


def own_name(reference: str) -> str:
    """One of intermodal's own images without its registry, such as "intermodal/torch:0.1.0"; empty for others."""
    match = _OURS.fullmatch(reference)
    return f"intermodal/{match.group(1)}{match.group(2) or ''}" if match else ""
