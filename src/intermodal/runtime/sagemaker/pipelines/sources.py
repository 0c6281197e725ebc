"""Where a task's values come from: said when a pipeline is compiled, looked up when the task runs.

Nobody of ours runs while SageMaker executes a pipeline. So a task's file says for each parameter and input
where the value is found, and the task itself looks there: among the arguments of the execution, and in
what the tasks before it have left.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from intermodal.errors import RuntimeFailed

_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\[\\?['\"]([^'\"\\]+)\\?['\"]\]\}\}")


class Known(Protocol):
    """What is known where a task runs."""

    def argument(self, name: str) -> Any:
        """The value of a parameter of the pipeline; None where an optional one was not given."""

    def returned(self, task: str, name: str) -> Any:
        """A plain value that a task returned."""


class Source(ABC):
    """Where one value comes from."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The source as a JSON-serialisable mapping; `read_source` reads it back."""

    @abstractmethod
    def resolve(self, known: Known) -> Any:
        """The value.

        Raises:
            RuntimeFailed: It cannot be had.
        """

    def parts(self) -> Iterator[Source]:
        """Itself and the sources inside it."""
        yield self


@dataclass(frozen=True)
class Constant(Source):
    """A value that stands in the pipeline.

    Attributes:
        value: Anything that JSON can say.
    """

    value: Any

    def to_json(self) -> dict[str, Any]:
        """See `Source.to_json`."""
        return {"constant": self.value}

    def resolve(self, known: Known) -> Any:
        """See `Source.resolve`."""
        return self.value


@dataclass(frozen=True)
class Argument(Source):
    """A parameter of the pipeline.

    Attributes:
        name: Its name.
    """

    name: str

    def to_json(self) -> dict[str, Any]:
        """See `Source.to_json`."""
        return {"argument": self.name}

    def resolve(self, known: Known) -> Any:
        """See `Source.resolve`."""
        return known.argument(self.name)


@dataclass(frozen=True)
class Returned(Source):
    """A plain value that a task returned.

    Attributes:
        task: The task's name in the SageMaker pipeline.
        name: The value's name; "Output" for a single one.
    """

    task: str
    name: str

    def to_json(self) -> dict[str, Any]:
        """See `Source.to_json`."""
        return {"task": self.task, "returned": self.name}

    def resolve(self, known: Known) -> Any:
        """See `Source.resolve`."""
        return known.returned(self.task, self.name)


@dataclass(frozen=True)
class Field(Source):
    """A field of a value that is a mapping.

    Attributes:
        of: Where the mapping comes from.
        key: The field.
    """

    of: Source
    key: str

    def to_json(self) -> dict[str, Any]:
        """See `Source.to_json`."""
        return {"field": self.key, "of": self.of.to_json()}

    def resolve(self, known: Known) -> Any:
        """See `Source.resolve`."""
        found = self.of.resolve(known)
        mapping = json.loads(found) if isinstance(found, str) else found
        if not isinstance(mapping, dict) or self.key not in mapping:
            raise RuntimeFailed("an item of a loop has no such field", seen=found, expected=self.key)
        return mapping[self.key]

    def parts(self) -> Iterator[Source]:
        """See `Source.parts`."""
        yield self
        yield from self.of.parts()


@dataclass(frozen=True)
class Several(Source):
    """Values of several iterations as one list.

    Attributes:
        items: Where they come from.
    """

    items: tuple[Source, ...]

    def to_json(self) -> dict[str, Any]:
        """See `Source.to_json`."""
        return {"several": [item.to_json() for item in self.items]}

    def resolve(self, known: Known) -> Any:
        """See `Source.resolve`."""
        return [item.resolve(known) for item in self.items]

    def parts(self) -> Iterator[Source]:
        """See `Source.parts`."""
        yield self
        for item in self.items:
            yield from item.parts()


@dataclass(frozen=True)
class Template(Source):
    """A text with other values in it, as KFP writes an f-string; or a list or mapping with such texts in it.

    Attributes:
        value: With placeholders {{$.inputs.parameters['NAME']}}.
        values: Where what they name comes from.
    """

    value: Any
    values: tuple[tuple[str, Source], ...]

    def to_json(self) -> dict[str, Any]:
        """See `Source.to_json`."""
        return {"template": self.value, "values": {name: item.to_json() for name, item in self.values}}

    def resolve(self, known: Known) -> Any:
        """See `Source.resolve`."""
        return _filled(self.value, {name: _as_text(item.resolve(known)) for name, item in self.values})

    def pieces(self) -> list[str | Source]:
        """A text in order: as it stands, and the sources between."""
        known = dict(self.values)
        words = _PLACEHOLDER.split(self.value)
        return [known[word] if index % 2 else word for index, word in enumerate(words) if word]

    def parts(self) -> Iterator[Source]:
        """See `Source.parts`."""
        yield self
        for _name, item in self.values:
            yield from item.parts()


def placeholders(value: Any) -> list[str]:
    """Names that the placeholders in a value stand for."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [name for item in inner for name in placeholders(item)]
    return _PLACEHOLDER.findall(value) if isinstance(value, str) else []


def read_source(fields: dict[str, Any]) -> Source:
    """Read back what `Source.to_json` wrote."""
    if "constant" in fields:
        return Constant(fields["constant"])
    if "argument" in fields:
        return Argument(fields["argument"])
    if "returned" in fields:
        return Returned(fields["task"], fields["returned"])
    if "field" in fields:
        return Field(read_source(fields["of"]), fields["field"])
    if "several" in fields:
        return Several(tuple(read_source(item) for item in fields["several"]))
    return Template(fields["template"], tuple((name, read_source(item)) for name, item in fields["values"].items()))


def _as_text(value: Any) -> str:
    """A value as KFP puts it into a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _filled(value: Any, texts: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, texts) for item in value]
    return _PLACEHOLDER.sub(lambda found: texts[found[1]], value) if isinstance(value, str) else value
