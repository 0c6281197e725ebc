"""Java's patterns in RE2: the same finds, in linear time, and a refusal by name of what RE2 does not know."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_data import engine_on, metric_of

from intermodal.quality.embedded.regex import explained, to_re2
from intermodal.quality.patterns import CREDIT_CARD, EMAIL, SOCIAL_SECURITY_NUMBER_US, URL

_NUMBERS = st.from_regex(
    r"[ -]?(\d{3}[ -]?\d{2}[ -]?\d{4}|219-09-9999|078051120|078-05-112[01]|21[89]099999)\d?", fullmatch=True
)
_CARDS = st.from_regex(
    r"(37\d{2}[ -]?\d{6}[ -]?\d{5}|4\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}|6011-\d{4}-\d{4}-\d{4})\d?", fullmatch=True
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_NUMBERS | _CARDS | st.text("0169 -x", max_size=12), max_size=3).map(" ".join))
@pytest.mark.parametrize("pattern", [CREDIT_CARD, SOCIAL_SECURITY_NUMBER_US])
def test_the_rewritten_patterns_find_the_same(pattern, text):
    # Python's engine knows lookahead and backreferences, and agrees with Java's on these patterns.
    wanted = re.search(pattern, text, re.ASCII)
    found = re.search(to_re2(pattern), text, re.ASCII)
    assert bool(wanted) == bool(found)


@pytest.mark.parametrize(
    ("text", "pattern", "hit"),
    [
        ("call 219-09-9998 now", SOCIAL_SECURITY_NUMBER_US, True),
        ("call 219-09-9999 now", SOCIAL_SECURITY_NUMBER_US, False),
        ("078051120", SOCIAL_SECURITY_NUMBER_US, False),
        ("666-12-1234", SOCIAL_SECURITY_NUMBER_US, False),
        ("4111-1111-1111-1111", CREDIT_CARD, True),
        ("4111-1111 1111-1111", CREDIT_CARD, False),
        ("mail me: a.b@example.org!", EMAIL, True),
        ("a at example.org", EMAIL, False),
        ("see http://example.org/x", URL, True),
        ("see example.org", URL, False),
        ("Привет", r"\p{IsCyrillic}", True),
        ("hello", r"\P{IsCyrillic}", True),
        ("hello", r"\p{IsCyrillic}", False),
        ("a\rb", "a.b", False),
        ("a\rb", "(?s)a.b", True),
        ("a.b", r"a\.b", True),
        ("a\nb", "a[.]b", False),
        ("", "^$", False),
        (None, ".*", False),
    ],
)
def test_what_a_pattern_finds_in_duckdb(tmp_path, text, pattern, hit):
    engine = engine_on(tmp_path, {"t": [text, "an unrelated text"], "n": [1, 2]})
    metric = metric_of(engine, "hasPattern", column="t", pattern=pattern, where="n = 1")
    assert metric.value == float(hit)


def test_a_catastrophic_pattern_ends(tmp_path):
    engine = engine_on(tmp_path, {"t": ["a" * 20_000 + "!"] * 50})
    begun = time.process_time()
    metric = metric_of(engine, "hasPattern", column="t", pattern="^(a+)+$", assertion="== 0")
    assert metric.value == 0.0
    # A backtracking engine needs 2^20000 steps; this bound only tells an answer from none.
    assert time.process_time() - begun < 60


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?!a)b", "(?<=a)b", "(?<!a)b", r"(a)\1", "(?>a)", "a*+", r"(?<n>a)\k<n>"]
)
def test_what_re2_does_not_know_is_refused_by_name(tmp_path, pattern):
    engine = engine_on(tmp_path, {"t": ["ab"]})
    metric = metric_of(engine, "hasPattern", column="t", pattern=pattern)
    assert metric.problem.kind == "MetricCalculationRuntimeException"
    assert "not supported" in metric.problem.message
    assert pattern in metric.problem.message


def test_a_pattern_that_cannot_be_read_is_said_so():
    assert explained("a[", "missing ]: [") == "the pattern cannot be read: missing ]: ["
