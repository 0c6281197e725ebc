"""Analyzers of numeric columns. NaN follows Spark: greater than every number, and it makes sums NaN."""

from __future__ import annotations

from dataclasses import dataclass

from intermodal.quality.analyzers.contract import Analyzer, Needs, Problem


@dataclass(frozen=True)
class _Numeric(Analyzer):
    """A metric of one numeric column, over the rows where the SQL condition `where` is true."""

    column: str
    where: str = ""

    needs = Needs.NUMERIC

    def columns_read(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)


@dataclass(frozen=True)
class _Bound(_Numeric):
    """A bound of one column; `null_behavior` matters for single rows only, as in Deequ."""

    null_behavior: str = "Ignore"


@dataclass(frozen=True)
class Minimum(_Bound):
    """Smallest number; NaN only if there is nothing else."""


@dataclass(frozen=True)
class Maximum(_Bound):
    """Largest number; NaN if there is one."""


@dataclass(frozen=True)
class Mean(_Numeric):
    """Arithmetic mean."""


@dataclass(frozen=True)
class Sum(_Numeric):
    """Sum."""


@dataclass(frozen=True)
class StandardDeviation(_Numeric):
    """Population standard deviation."""


@dataclass(frozen=True)
class Variance(_Numeric):
    """Population variance."""


@dataclass(frozen=True)
class Skewness(_Numeric):
    """Population skewness; 0 if all numbers are equal."""


@dataclass(frozen=True)
class Kurtosis(_Numeric):
    """Population excess kurtosis; 0 if all numbers are equal."""


@dataclass(frozen=True)
class Range(_Numeric):
    """Largest minus smallest number."""


@dataclass(frozen=True)
class InterquartileRange(_Numeric):
    """Third minus first quartile, interpolated."""


@dataclass(frozen=True)
class ZerosCount(_Numeric):
    """Number of rows in which the column is 0."""


@dataclass(frozen=True)
class ExactQuantile(Analyzer):
    """A quantile by linear interpolation; `quantile` from 0 to 1."""

    column: str
    quantile: float
    where: str = ""

    needs = Needs.NUMERIC

    def columns_read(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)


@dataclass(frozen=True)
class ApproxQuantile(Analyzer):
    """A quantile that is one of the values, wrong by at most `relative_error` of the ranks."""

    column: str
    quantile: float
    relative_error: float = 0.01
    where: str = ""

    needs = Needs.NUMERIC

    @property
    def name(self) -> str:
        """Deequ puts the quantile into the name."""
        return f"ApproxQuantile-{self.quantile}"

    def columns_read(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def problem(self) -> Problem | None:
        """Both numbers lie in [0, 1]."""
        for label, value in (("Quantile", self.quantile), ("Relative error", self.relative_error)):
            if not 0 <= value <= 1:
                text = f"{label} parameter must be in the closed interval [0, 1]. Currently, the value is: {value}!"
                return Problem("IllegalAnalyzerParameterException", text)
        return None


@dataclass(frozen=True)
class Correlation(Analyzer):
    """Pearson correlation of two columns over the rows that have both; NaN if one of them is constant."""

    first_column: str
    second_column: str
    where: str = ""

    needs = Needs.NUMERIC
    scope = "Multicolumn"

    def columns_read(self) -> tuple[str, ...]:
        """Both columns."""
        return (self.first_column, self.second_column)


@dataclass(frozen=True)
class RatioOfSums(Analyzer):
    """Sum of one column divided by the sum of another."""

    numerator: str
    denominator: str
    where: str = ""

    needs = Needs.NUMERIC
    scope = "Multicolumn"

    def columns_read(self) -> tuple[str, ...]:
        """Both columns."""
        return (self.numerator, self.denominator)
