"""Asking whether a remembered result still stands where it acted on the outside world."""

from __future__ import annotations

import importlib
import inspect

from intermodal.store.cache_index import CachedResult


def still_valid(target: str, result: CachedResult, engine: str = "") -> str | None:
    """Ask a step's own check whether its remembered result still stands.

    Args:
        target: "module:function"; it takes the outputs' metadata by output name, and `engine` if it wants to.
        result: The remembered result.
        engine: The service that is to do the work of a managed step; empty when none is.

    Returns:
        None when it stands, else why not.
    """
    module, _, name = target.partition(":")
    check = getattr(importlib.import_module(module), name)
    told = {"engine": engine} if "engine" in inspect.signature(check).parameters else {}
    answer = check({name: output.metadata for name, output in result.outputs.items()}, **told)
    return None if answer is None else str(answer)
