"""Asking whether a remembered result still stands where it acted on the outside world."""

from __future__ import annotations

import importlib

from intermodal.store.cache_index import CachedResult


def still_valid(target: str, result: CachedResult) -> str | None:
    """Ask a step's own check whether its remembered result still stands.

    Args:
        target: "module:function"; it takes the outputs' metadata by output name.
        result: The remembered result.

    Returns:
        None when it stands, else why not.
    """
    module, _, name = target.partition(":")
    check = getattr(importlib.import_module(module), name)
    answer = check({name: output.metadata for name, output in result.outputs.items()})
    return None if answer is None else str(answer)
