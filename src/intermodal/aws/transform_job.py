"""A batch transform, run: lines uploaded once, the job created or adopted, followed, and its answers brought back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.aws.archives import archive_uri, upload_archive
from intermodal.aws.calls import Calls, Refused
from intermodal.aws.job_kinds import IN_PROGRESS, TRANSFORM
from intermodal.aws.jobs import stop_job
from intermodal.aws.objects import is_there, listed, read_object, upload_file, upload_folder
from intermodal.aws.ownership import Ownership
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.service_job import ServiceJob
from intermodal.aws.transform import lines_uri, render
from intermodal.errors import StepFailed

_READY = "_READY"  # beside the lines' prefix, written after all of them


def run_transform(
    plan: TaskPlan, model: Path, write_lines: Callable[[Path], None], work: Path, ownership: Ownership
) -> tuple[dict[str, Any], list[Path]]:
    """Answer every line of a task's reviews with its model, as a transform job.

    Args:
        plan: The task.
        model: The model's directory on this machine.
        write_lines: Writes the files of lines into a folder; called only where they are not on S3.
        work: A folder for files that come and go.
        ownership: Knows whose jobs are.

    Returns:
        The job's description, and the files with its answers.

    Raises:
        UsageError: A parameter is wrong.
        RuntimeFailed: AWS refused, or did not answer.
        StepFailed: The job did not complete.
    """
    create, _job = render(plan)
    calls = Calls("sagemaker", plan.settings)
    upload_archive(model, archive_uri(plan.place.store, plan.inputs["model"][0]), plan.settings)
    _upload_lines(plan, write_lines, work / "lines")
    try:
        calls(create.operation, **create.parameters)
    except Refused as refused:
        if "already exist" not in refused.seen.lower():
            raise
    found = _followed(calls, plan, ownership)
    return found, _collected(plan, str(found["TransformOutput"]["S3OutputPath"]), work / "answers")


def _upload_lines(plan: TaskPlan, write_lines: Callable[[Path], None], folder: Path) -> None:
    uri = lines_uri(plan)
    ready = uri.rstrip("/").rsplit("/", 1)[0] + f"/{_READY}"
    if is_there(ready, plan.settings):
        return
    folder.mkdir(parents=True)
    write_lines(folder)
    upload_folder(folder, uri, plan.settings)
    mark = folder.parent / _READY
    mark.write_text("\n")
    upload_file(mark, ready, plan.settings)


def _followed(calls: Calls, plan: TaskPlan, ownership: Ownership) -> dict[str, Any]:
    """Create or adopt the job and wait for its end; stopped when we are told to stop, or when it takes too long."""

    def request(attempt: int) -> Request:
        return render(replace(plan, attempt=attempt))[-1]

    job = ServiceJob(calls, TRANSFORM, request, plan.place.region, ownership)
    until = time.monotonic() + plan.job.max_runtime

    def look(found: dict[str, Any]) -> None:
        # AWS's request knows no limit for a transform job: max_runtime is kept here.
        if time.monotonic() > until and TRANSFORM.status(found) == IN_PROGRESS:
            if job.ours:
                stop_job(calls, TRANSFORM, job.name)
            raise StepFailed(
                f"the transform job {job.name} took longer than it may",
                seen=f"{plan.job.max_runtime} s",
                next_step="give it more time: max_runtime under [sagemaker] or [sagemaker.steps.transform]",
            )

    return job.run(look, plan.attempt)


def _collected(plan: TaskPlan, uri: str, folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    files = []
    for number, item in enumerate(name for name in listed(uri, plan.settings) if name.endswith(".out")):
        path = folder / f"{number:05d}.out"
        path.write_bytes(read_object(item, plan.settings))
        files.append(path)
    return files
