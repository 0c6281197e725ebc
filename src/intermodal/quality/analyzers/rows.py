"""Analyzers that look at each row by itself: sizes, completeness, predicates, patterns, lengths, types."""

from __future__ import annotations

from dataclasses import dataclass

from intermodal.quality.analyzers.contract import Analyzer, Needs


@dataclass(frozen=True)
class Size(Analyzer):
    """Number of rows."""

    where: str = ""

    scope = "Dataset"
    subject = "*"

    def columns_read(self) -> tuple[str, ...]:
        """None: it reads no column."""
        return ()


@dataclass(frozen=True)
class ColumnCount(Analyzer):
    """Number of columns."""

    scope = "Dataset"
    subject = "*"
    where = ""

    def columns_read(self) -> tuple[str, ...]:
        """None: it reads the schema only."""
        return ()


@dataclass(frozen=True)
class ColumnExists(Analyzer):
    """1 if there is a column of exactly that name, upper and lower case counting, else 0."""

    column: str

    scope = "Dataset"
    where = ""

    @property
    def subject(self) -> str:
        """The column's name."""
        return self.column

    def columns_read(self) -> tuple[str, ...]:
        """None: a missing column is the answer, not a failure."""
        return ()


@dataclass(frozen=True)
class _OneColumn(Analyzer):
    """A metric of one column, over the rows where the SQL condition `where` is true."""

    column: str
    where: str = ""

    def columns_read(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)


@dataclass(frozen=True)
class Completeness(_OneColumn):
    """Share of rows in which the column is not NULL; NaN is not NULL."""

    needs = Needs.FLAT
    options = True


@dataclass(frozen=True)
class ApproxCountDistinct(_OneColumn):
    """Estimated number of distinct values (HyperLogLog); 0 on no rows."""


@dataclass(frozen=True)
class DataType(_OneColumn):
    """How many values look like each type: Unknown (NULL), Fractional, Integral, Boolean, String."""

    metric_name = "Histogram"
    needs = Needs.FLAT


@dataclass(frozen=True)
class Compliance(Analyzer):
    """Share of rows that satisfy an SQL predicate; a row where it is NULL does not.

    Attributes:
        instance: Free name of the rule; it is the metric's instance.
        predicate: SQL condition on the columns of one row.
        where: SQL condition that selects the rows looked at.
        columns: Columns that must exist.
    """

    instance: str
    predicate: str
    where: str = ""
    columns: tuple[str, ...] = ()

    options = True

    @property
    def subject(self) -> str:
        """The rule's name."""
        return self.instance

    def columns_read(self) -> tuple[str, ...]:
        """The columns named beside the predicate."""
        return self.columns


@dataclass(frozen=True)
class PatternMatch(Analyzer):
    """Share of rows in which a regular expression finds something; NULL does not match, nor does an empty find.

    Attributes:
        column: A string column.
        pattern: Regular expression in Java's syntax.
        where: SQL condition that selects the rows looked at.
    """

    column: str
    pattern: str
    where: str = ""

    needs = Needs.STRING
    options = True

    def columns_read(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)


@dataclass(frozen=True)
class _Length(_OneColumn):
    """A metric of the number of characters; `null_behavior` says what NULL is: skipped, "" or a failure."""

    null_behavior: str = "Ignore"

    needs = Needs.STRING


@dataclass(frozen=True)
class MinLength(_Length):
    """Length of the shortest string."""


@dataclass(frozen=True)
class MaxLength(_Length):
    """Length of the longest string."""
