"""Who is who among the candidates: their names, and which of them the run is about."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from intermodal.report.model import RunReport, TaskRow
from intermodal.report.scores import Evaluation


def with_candidate_names(run: RunReport) -> RunReport:
    """Name every evaluation after the task that made its model.

    The tasks of a pipeline that evaluates two models are called `evaluate` and `evaluate-2`, which tells a
    reader nothing; the task whose model they were given does.

    Args:
        run: The run.

    Returns:
        The run with evaluations whose names differ.
    """
    tasks = {task.name: task for task in run.tasks}
    named = [
        replace(item, name=_trainer(item.name, tasks) or item.name or item.kind) for item in run.sections.evaluations
    ]
    counts, seen, distinct = Counter(item.name for item in named), Counter[str](), []
    for item in named:
        seen[item.name] += 1
        twin = f"{item.name} ({seen[item.name]})"
        distinct.append(item if counts[item.name] == 1 else replace(item, name=twin))
    return replace(run, sections=replace(run.sections, evaluations=tuple(distinct)))


def chosen_evaluation(run: RunReport) -> Evaluation | None:
    """The candidate that the run is about.

    Args:
        run: The run.

    Returns:
        The one that went through the champion gate, else the most accurate; None without any.
    """
    known = [item for item in run.sections.evaluations if item.accuracy.value is not None]
    gate = run.sections.registration
    judged = [item for item in known if gate and item.model_digest and item.model_digest == gate.model_digest]
    return (judged or sorted(known, key=lambda item: item.accuracy.value or 0.0))[-1] if known else None


def _trainer(name: str, tasks: dict[str, TaskRow]) -> str:
    """The one task before an evaluation that made a model."""
    before = [tasks[other] for other in tasks[name].depends_on if other in tasks] if name in tasks else []
    makers = [task.name for task in before if any(item.type.endswith("Model") for item in task.artifacts)]
    return makers[0] if len(makers) == 1 else ""
