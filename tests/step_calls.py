"""Calling a step as a plain function, with artifacts of its own making."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import dsl

from intermodal.core.step import spec_of


def call_step(function: Callable[..., Any], folder: Path, **arguments: Any) -> dict[str, Any]:
    """Call a step; its output artifacts, by name.

    Args:
        function: The step.
        folder: Where its outputs come to lie; made.
        **arguments: Its inputs and parameters.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        slot.name: getattr(dsl, slot.schema.removeprefix("system."))(
            name=slot.name, uri=str(folder / slot.name), metadata={}
        )
        for slot in spec_of(function).outputs
    }
    function(**made, **arguments)
    return made
