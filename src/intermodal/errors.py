"""Every error that intermodal raises on purpose.

Each one answers four questions (what failed, the value seen, the value expected, what to type
next) and carries the process exit code that scripts can rely on::

    IntermodalError                       exit 5
    ├── UsageError                        exit 2   a parameter, name, path or option is wrong
    ├── DataRejected                      exit 3   the data cannot be used, or a check of level Error failed
    ├── StepFailed                        exit 4   a step raised, was killed, or left no manifest
    ├── RuntimeFailed                     exit 5   the place where steps run did not answer or refused
    ├── StoreFailed                       exit 5   the artifact store did not answer, refused, or is full
    │   └── ArtifactCorrupt               exit 5   bytes differ from the manifest, or the manifest is missing
    └── Interrupted                       exit 130 Ctrl-C or SIGTERM
"""

from __future__ import annotations

from typing import Any

EXIT_DONE = 0
EXIT_USAGE = 2
EXIT_DATA_REJECTED = 3
EXIT_STEP_FAILED = 4
EXIT_RUNTIME_FAILED = 5
EXIT_INTERRUPTED = 130


class IntermodalError(Exception):
    """An error with a headline, its cause, and the next thing to type.

    Args:
        headline: One line: what failed.
        seen: The value found, as text; empty when there is none.
        expected: The value that would have been right; empty when there is none.
        next_step: What to type or change next; empty when nothing helps.
    """

    exit_code = EXIT_RUNTIME_FAILED

    def __init__(self, headline: str, *, seen: object = "", expected: object = "", next_step: str = "") -> None:
        super().__init__(headline)
        self.headline = headline
        self.seen = str(seen)
        self.expected = str(expected)
        self.next_step = next_step

    def __str__(self) -> str:
        """The error as the lines a person reads."""
        rows = [self.headline]
        rows += [f"  {label}: {text}" for label, text in self._details() if text]
        return "\n".join(rows)

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all four answers when the error crosses a process boundary."""
        return _rebuild, (type(self), self.to_json())

    def _details(self) -> list[tuple[str, str]]:
        return [("seen", self.seen), ("expected", self.expected), ("next", self.next_step)]

    def to_json(self) -> dict[str, Any]:
        """The error as a JSON-serialisable mapping; `from_json` reads it back."""
        return {
            "kind": type(self).__name__,
            "headline": self.headline,
            "seen": self.seen,
            "expected": self.expected,
            "next": self.next_step,
            "exit_code": self.exit_code,
        }


class UsageError(IntermodalError):
    """A parameter, name, path or option is wrong."""

    exit_code = EXIT_USAGE


class DataRejected(IntermodalError):
    """The data cannot be used, or a check of level Error failed."""

    exit_code = EXIT_DATA_REJECTED


class StepFailed(IntermodalError):
    """A step raised, was killed, or left no manifest."""

    exit_code = EXIT_STEP_FAILED


class RuntimeFailed(IntermodalError):
    """The place where steps run did not answer, or refused."""


class StoreFailed(IntermodalError):
    """The artifact store did not answer, refused, or is full."""


class ArtifactCorrupt(StoreFailed):
    """Bytes differ from the manifest, or the manifest is missing."""


class Interrupted(IntermodalError):
    """Ctrl-C or SIGTERM ended the work."""

    exit_code = EXIT_INTERRUPTED


def _rebuild(kind: type[IntermodalError], fields: dict[str, Any]) -> IntermodalError:
    return kind(fields["headline"], seen=fields["seen"], expected=fields["expected"], next_step=fields["next"])


def from_json(fields: dict[str, Any]) -> IntermodalError:
    """Read back what `IntermodalError.to_json` wrote.

    Args:
        fields: The mapping; an unknown `kind` becomes a `StepFailed`.

    Returns:
        An error of the same class with the same four answers.
    """
    known: tuple[type[IntermodalError], ...] = (UsageError, DataRejected, StepFailed, RuntimeFailed, StoreFailed)
    kinds = {kind.__name__: kind for kind in (*known, ArtifactCorrupt, Interrupted, IntermodalError)}
    return _rebuild(kinds.get(fields.get("kind", ""), StepFailed), fields)
