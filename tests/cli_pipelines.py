"""A small pipeline with data from outside, for tests of the command line's verbs."""

from kfp import dsl

import cli_steps as steps
from intermodal import component

read_lines, measure = component(steps.read_lines), component(steps.measure)


@dsl.pipeline(name="short")
def short(source: str, least: int = 0):
    """Two steps; the second uses the first's output twice."""
    lines = read_lines(source=source, least=least).outputs["lines"]
    measure(lines=lines, again=lines)
