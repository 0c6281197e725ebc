"""Tags by which what intermodal made is found again: by `intermodal reap`, by a bill, by a person."""

from __future__ import annotations

RUN, TASK, PIPELINE, STEP = "intermodal:run", "intermodal:task", "intermodal:pipeline", "intermodal:step"
MACHINE = "intermodal:machine"
MANAGED = "intermodal"
LIMIT = 50
_VALUE = 256


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as most AWS requests want them, sorted, empty ones left out, values cut at 256 characters."""
    return [{"Key": key, "Value": value[:_VALUE]} for key, value in sorted(tags.items()) if value]


def own_tags(*, run_id: str, pipeline: str, task: str = "", step: str = "", machine: str = "") -> dict[str, str]:
    """The tags of everything that intermodal makes on AWS."""
    return {RUN: run_id, PIPELINE: pipeline, TASK: task, STEP: step, MACHINE: machine, MANAGED: "1"}
