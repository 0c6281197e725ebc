"""Analyzers that count how often each combination of values occurs.

Rows whose grouping columns are all NULL are left out, of the denominator too, except in `Histogram`.
"""

from __future__ import annotations

from dataclasses import dataclass

from intermodal.quality.analyzers.contract import Analyzer, Needs, Problem

MOST_DETAIL_BINS = 1000


@dataclass(frozen=True)
class _Grouped(Analyzer):
    """A metric of the frequencies of `columns`, over the rows where the SQL condition `where` is true."""

    columns: tuple[str, ...]
    where: str = ""

    needs = Needs.FLAT

    @property
    def entity(self) -> str:
        """A single column or several."""
        return "Column" if len(self.columns) == 1 else "Multicolumn"

    def columns_read(self) -> tuple[str, ...]:
        """The grouping columns."""
        return self.columns

    def problem(self) -> Problem | None:
        """There must be a column."""
        if self.columns:
            return None
        return Problem("NoColumnsSpecifiedException", "At least one column needs to be specified!")


@dataclass(frozen=True)
class Uniqueness(_Grouped):
    """Share of rows whose values occur once."""

    options = True


@dataclass(frozen=True)
class Distinctness(_Grouped):
    """Number of distinct values divided by the number of rows."""


@dataclass(frozen=True)
class UniqueValueRatio(_Grouped):
    """Number of values that occur once divided by the number of distinct values."""

    options = True


@dataclass(frozen=True)
class DuplicateRowCount(_Grouped):
    """Number of rows whose values occur more than once, the first of them included; 0 on no rows."""

    options = True


@dataclass(frozen=True)
class CountDistinct(_Grouped):
    """Number of distinct values; 0 on no rows. Deequ offers no `where` here."""

    def __str__(self) -> str:
        """As Deequ's `toString`; a `where` is shown only if there is one."""
        return super().__str__().replace(",None)", ")")


@dataclass(frozen=True)
class MutualInformation(_Grouped):
    """Mutual information of two columns, in nats."""

    @property
    def entity(self) -> str:
        """Always several columns."""
        return "Multicolumn"

    def problem(self) -> Problem | None:
        """Exactly two columns."""
        if len(self.columns) == 2:
            return None
        text = f"2 columns have to be specified! Currently, columns contains only {len(self.columns)} column(s)"
        return Problem("NumberOfSpecifiedColumnsException", f"{text}: {','.join(self.columns)}!")


@dataclass(frozen=True)
class Entropy(Analyzer):
    """Entropy of a column's values, in nats."""

    column: str
    where: str = ""

    needs = Needs.FLAT

    def columns_read(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)


@dataclass(frozen=True)
class Histogram(Analyzer):
    """How often each value occurs, as text, most frequent first; NULL is a value, called "NullValue".

    Attributes:
        column: The column.
        max_detail_bins: Values listed at most, 1 to 1,000; the rest goes to the tail.
        where: SQL condition that selects the rows counted.
        ratios: False to give counts where ratios stand.
    """

    column: str
    max_detail_bins: int = MOST_DETAIL_BINS
    where: str = ""
    ratios: bool = True

    def columns_read(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def problem(self) -> Problem | None:
        """The number of bins must be sensible."""
        if self.max_detail_bins < 1:
            return Problem("IllegalAnalyzerParameterException", "maxDetailBins must be at least 1")
        if self.max_detail_bins > MOST_DETAIL_BINS:
            text = f"Cannot return histogram values for more than {MOST_DETAIL_BINS} values"
            return Problem("IllegalAnalyzerParameterException", text)
        return None

    def __str__(self) -> str:
        """As Deequ's `toString`."""
        where = f"Some({self.where})" if self.where else "None"
        return f"Histogram({self.column},None,{self.max_detail_bins},{where},{str(self.ratios).lower()},Count)"
