"""Which metrics SageMaker reads from a training job's log: a definition for each that its step reports.

The task wrapper prints lines as `intermodal.core.metric_lines` writes them; the expression that finds one comes
from there too, and holds the whole name, so that `loss` is never found in `val_loss`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intermodal.core.metric_lines import metric_pattern
from intermodal.core.step import StepSpec
from intermodal.errors import UsageError

LIMIT = 40  # definitions in a job, by SageMaker
_NAME_LIMIT, _REGEX_LIMIT = 255, 500
PATTERNS_PARAMETER = "metric_patterns"
_SCORES = ("validation_accuracy", "validation_loss", "validation_qwk")
# What the catalogue's training steps tell while they train.
REPORTED = {
    "train_pytorch": ("train_loss", *_SCORES),
    "train_tensorflow": ("train_loss", *_SCORES),
    "baseline": _SCORES,
}
COMMON = ("train_loss", "loss", "accuracy", "validation_loss", "validation_accuracy", "val_loss", "val_accuracy")


def metric_definition(name: str) -> dict[str, str]:
    """SageMaker's definition of a metric: its name, and the expression that finds its value in the log.

    Args:
        name: The metric's name.
    """
    return {"Name": name, "Regex": metric_pattern(name)}


def metric_definitions(spec: StepSpec, parameters: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
    """The definitions of what a step reports, within SageMaker's limit of 40.

    Args:
        spec: A training step; one that is not of the catalogue gets the names that training steps mostly use.
        parameters: Its parameters: a script's `metric_patterns` names what the script prints.
    """
    own = (parameters or {}).get(PATTERNS_PARAMETER)
    told = tuple(own) if isinstance(own, dict) else ()
    return definitions_of(told + REPORTED.get(spec.name, () if told else COMMON))


def own_definitions(patterns: Mapping[str, str]) -> list[dict[str, str]]:
    """The definitions of metrics that a script prints in a way of its own.

    Args:
        patterns: Metric → regular expression; one that begins with a letter is found at the beginning of a
            word alone, so that `loss` is not found in `val_loss`.

    Raises:
        UsageError: An expression is none, or has not exactly one group; or there are too many.
    """
    for name, pattern in patterns.items():
        _check_pattern(name, pattern)
    if len(patterns) > LIMIT:
        raise UsageError("sagemaker.metrics has too many", seen=len(patterns), expected=f"at most {LIMIT}")
    return [{"Name": name, "Regex": _whole_word(pattern)} for name, pattern in patterns.items()]


def _check_pattern(name: str, pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise UsageError(f"sagemaker.metrics.{name} is no regular expression", seen=f"{pattern!r}: {error}") from error
    if groups != 1 or len(_whole_word(pattern)) > _REGEX_LIMIT:
        raise UsageError(
            f"sagemaker.metrics.{name} cannot be used",
            seen=f"{groups} groups, {len(pattern)} characters",
            expected=f"one group, the value, and at most {_REGEX_LIMIT} characters",
        )


def _whole_word(pattern: str) -> str:
    """The expression, which begins where a word does; only with what all dialects of expressions have."""
    return f"(?:^|[^A-Za-z0-9_]){pattern}" if re.match(r"\w", pattern) and "|" not in pattern else pattern


def definitions_of(names: tuple[str, ...]) -> list[dict[str, str]]:
    """Definitions of metrics by name, each once; those that SageMaker has no room for are left out.

    Args:
        names: The metrics, the most important first.
    """
    made = [metric_definition(name) for name in dict.fromkeys(names) if name.strip()]
    return [item for item in made if len(item["Name"]) <= _NAME_LIMIT and len(item["Regex"]) <= _REGEX_LIMIT][:LIMIT]
