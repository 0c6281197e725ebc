"""What every analyzer says about itself, whichever engine computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any, ClassVar

from intermodal.errors import UsageError
from intermodal.quality.spelling import unknown
from intermodal.quality.wording import java_double

KINDS: dict[str, type[Analyzer]] = {}
NULL_BEHAVIORS = ("Ignore", "EmptyString", "Fail")


class Needs(Enum):
    """Which column types an analyzer accepts."""

    ANY = "any"
    FLAT = "not nested"
    NUMERIC = "numeric"
    STRING = "string"


@dataclass(frozen=True)
class Problem:
    """Why a metric cannot be computed.

    Attributes:
        kind: Deequ's exception class without its package, such as "NoSuchColumnException".
        message: Deequ's message, or the engine's.
    """

    kind: str
    message: str


class Analyzer(ABC):
    """One metric of a data set, as data: frozen, hashable, JSON in and out.

    Subclasses are frozen dataclasses; their field names are Deequ's in snake case.

    Attributes:
        needs: Column types accepted.
        scope: What the metric describes: "Dataset", "Column" or "Multicolumn".
        metric_name: Deequ's name of the metric, when it is not the class name.
        options: True where Deequ's own class ends in analyzer options that are not offered here.
    """

    needs: ClassVar[Needs] = Needs.ANY
    scope: ClassVar[str] = "Column"
    metric_name: ClassVar[str] = ""
    options: ClassVar[bool] = False
    where: str

    def __init_subclass__(cls) -> None:
        """Make the class known to `from_json`; a name with an underscore is a shared part, not a metric."""
        if not cls.__name__.startswith("_"):
            KINDS[cls.__name__] = cls

    @abstractmethod
    def columns_read(self) -> tuple[str, ...]:
        """Columns that must exist and whose type `needs` restricts."""

    @property
    def entity(self) -> str:
        """What the metric describes: "Dataset", "Column" or "Multicolumn"."""
        return self.scope

    @property
    def subject(self) -> str:
        """Deequ's instance, what the metric is attached to: column names, "*" or a free name."""
        return ",".join(self.columns_read())

    @property
    def name(self) -> str:
        """Deequ's name of the metric."""
        return self.metric_name or type(self).__name__

    def problem(self) -> Problem | None:
        """What is wrong with the parameters, before any data is looked at."""
        return None

    def __str__(self) -> str:
        """As Deequ's `toString`, which stands in its error messages."""
        parts = [_deequ(item.name, getattr(self, item.name)) for item in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({','.join(parts + ['None'] * self.options)})"

    def to_json(self) -> dict[str, Any]:
        """A JSON mapping with Deequ's camel-case keys; fields at their default are left out."""
        values: dict[str, Any] = {"type": type(self).__name__}
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if item.default is MISSING or value != item.default:
                values[_camel(item.name)] = list(value) if isinstance(value, tuple) else value
        return values


def from_json(values: dict[str, Any]) -> Analyzer:
    """Read back what `Analyzer.to_json` wrote; Deequ's nested "analyzerOptions" is read too.

    Raises:
        UsageError: The type or a key is unknown, or a field is missing.
    """
    values = dict(values)
    kind = values.pop("type", "")
    if kind not in KINDS:
        raise unknown("analyzer", str(kind), KINDS)
    options = values.pop("analyzerOptions", {})
    values.update({key: value for key, value in options.items() if key != "filteredRow"})
    names = {_camel(item.name): item.name for item in fields(KINDS[kind])}  # type: ignore[arg-type]
    for key in values:
        if key not in names:
            raise unknown("key", key, names, kind)
    arguments = {names[key]: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return KINDS[kind](**arguments)
    except TypeError as error:
        raise UsageError(f"analyzer {kind} lacks a field", seen=sorted(values), expected=sorted(names)) from error


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _deequ(name: str, value: Any) -> str:
    if name == "where":
        return f"Some({value})" if value else "None"
    if name == "null_behavior":
        return "None" if value == "Ignore" else f"Some(AnalyzerOptions({value},TRUE))"
    if isinstance(value, tuple):
        return f"List({', '.join(value)})"
    return java_double(value) if isinstance(value, float) else str(value)
