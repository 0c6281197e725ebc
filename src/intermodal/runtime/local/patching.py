"""Replacing parts of kfp.local for the length of a run, and putting them back."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

_KFP_LOCAL = "/kfp/local/"


@contextlib.contextmanager
def replaced(changes: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes, and set them back at the end.

    Args:
        changes: Module or class, name of one of its own attributes, value.
    """
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """kfp.local logs every step to standard output through the root logger; the observer tells it better."""
    from kfp.local import logging_utils

    @contextlib.contextmanager
    def silent(*_given: Any, **_named: Any) -> Iterator[None]:
        yield

    def is_another_s(record: logging.LogRecord) -> bool:
        return _KFP_LOCAL not in record.pathname.replace("\\", "/")

    changes = [(logging_utils, name, silent) for name in ("local_logger_context", "indented_print")]
    root = logging.getLogger()
    root.addFilter(is_another_s)
    try:
        with replaced([*changes, (logging_utils, "print_horizontal_line", lambda: None)]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(is_another_s)
