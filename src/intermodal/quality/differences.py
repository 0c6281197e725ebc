"""Where the embedded engine answers otherwise than Deequ 2.0.21, and why. Everything else is meant to be equal.

Each entry has a test of its own, `tests/unit/quality/test_differences.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One deliberate difference.

    Attributes:
        name: Short name; its test is called test_<name>.
        deequ: What Deequ does.
        here: What is done here, and why where that is not plain.
    """

    name: str
    deequ: str
    here: str


DIFFERENCES = (
    Difference(
        "ratio_of_sums_heeds_where",
        "RatioOfSums always divides the first two columns of the shared scan, whatever its `where` selects.",
        "Both sums are over the selected rows.",
    ),
    Difference(
        "histogram_ratios_of_selected_rows",
        "A Histogram with `where` divides the counts of the selected rows by the number of all rows.",
        "The ratios are shares of the selected rows, and add up to 1.",
    ),
    Difference(
        "data_type_of_selected_rows",
        "A DataType with `where` counts every row outside of it as Unknown.",
        "Rows outside are not counted; with none inside the ratios are NaN, as on empty data.",
    ),
    Difference(
        "sign_of_text",
        "isNonNegative and isPositive pass on every text that is no number, as if it were NULL.",
        "Text that is no number fails; text that holds one is judged by it.",
    ),
    Difference(
        "predicates_are_conditions",
        "Compliance sums any predicate cast to integer: `star_rating` has a compliance of 3.93.",
        "A predicate or `where` that is not true or false fails its own constraint, with the type it has.",
    ),
    Difference(
        "ratio_of_no_values",
        'UniqueValueRatio on no rows breaks with Spark\'s "Value at index 0 is null", and fails under a `where` that '
        "selects nothing.",
        "An empty state, as for the other metrics: fails on empty data, passes under such a `where`.",
    ),
    Difference(
        "bad_expression_fails_alone",
        "One bad predicate fails every metric of the shared scan.",
        "It fails only itself, whether the SQL is wrong or the data breaks it.",
    ),
    Difference(
        "nan_satisfies_nothing",
        "An assertion is a function, and NaN != 1 is true.",
        "No assertion holds for NaN, != neither; a row whose value is NaN is outside every bound.",
    ),
    Difference(
        "rows_outside_where_pass",
        "A row where `where` is NULL gets NULL, or the outcome it would have inside; where `where` selects nothing, "
        "lengths and patterns mark every row as failing.",
        "Rows outside `where`, NULL included, never fail.",
    ),
    Difference(
        "uncomputable_rows_pass",
        "A constraint that cannot be computed (an unknown column, a wrong type) marks every row as failing.",
        "It fails as a whole and says nothing about single rows.",
    ),
    Difference(
        "null_rows_follow_the_metric",
        "Where a predicate is NULL the metric counts the row as failing, but the row's outcome is NULL.",
        "The row fails, as the metric says.",
    ),
    Difference(
        "rows_fail_in_the_direction_of_the_assertion",
        "hasMax(… >= 5) marks every row below 5, containsCreditCardNumber(… == 0) every row without one, as failing.",
        "A bound speaks about rows on its own side only; where none should match, the rows that match fail.",
    ),
    Difference(
        "patterns_run_in_linear_time",
        "Java's regular expressions: lookaround and backreferences, and time without limit for patterns like (a+)+$.",
        "RE2: time linear in the text. Lookaround, backreferences and possessive repeats are refused by name; Deequ's "
        "own two patterns that need them are rewritten. `$` is the end of the text, not also before a last line end.",
    ),
    Difference(
        "estimates_are_other_estimates",
        "ApproxQuantile is within the relative error; ApproxCountDistinct is HyperLogLog++ with 5 % standard error.",
        "ApproxQuantile is exact; ApproxCountDistinct is DuckDB's HyperLogLog, which differs by a few per cent.",
    ),
    Difference(
        "failed_casts_are_null",
        "Spark SQL. Text in double quotes is a string; what cannot be cast is NULL.",
        "The SQL that Spark and DuckDB share; backticks and backslash escapes are read and failed casts are NULL, but "
        "double quotes hold names, as in standard SQL.",
    ),
    Difference(
        "messages_have_a_fixed_order",
        "The type list of a wrong-type message comes in the order of a hash table, one constraint's name lacks its "
        "last bracket, and errors of expressions are Spark's.",
        "The order is fixed, the bracket is there, and errors of expressions are DuckDB's, under the same class.",
    ),
)
