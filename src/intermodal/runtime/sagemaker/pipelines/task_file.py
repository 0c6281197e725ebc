"""A task's file: its ExecutorInput without what only an execution knows, and where that is found; pure.

The file lies in the store under a digest of its content, so that a definition that names it never finds
another, and SageMaker's cache of steps sees when it has changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from intermodal.aws.job_input import FILE_NAME, job_executor_input
from intermodal.aws.request import TaskPlan
from intermodal.core.executor_input import OPTIONS
from intermodal.core.source import source_digest, source_files
from intermodal.core.step import StepSpec
from intermodal.runtime.sagemaker.pipelines.flat_task import FlatTask
from intermodal.runtime.sagemaker.pipelines.sources import Argument, Constant

KEY = "pipeline"  # within the ExecutorInput's own options
FROM_VARIABLE = "INTERMODAL_FROM_{index}"
ARGUMENT_VARIABLE = "INTERMODAL_ARGUMENT_{name}"
FOLDER = "pipelines/tasks"  # below the store's root


@dataclass(frozen=True)
class TaskFile:
    """One task's file.

    Attributes:
        key: Its key below the store's root.
        content: Its bytes.
    """

    key: str
    content: bytes

    @property
    def folder(self) -> str:
        """Key of the folder that holds it alone."""
        return self.key.rpartition("/")[0]


def task_file(plan: TaskPlan, task: FlatTask, declared: dict[str, dict[str, Any]], spec: StepSpec) -> TaskFile:
    """The file of a task.

    Args:
        plan: The task's plan.
        task: The task.
        declared: The pipeline's parameters, as `declarations` says them.
        spec: Its step.
    """
    known = {item.name for item in spec.parameters}
    sources = {name: source for name, source in task.parameters.items() if name in known}
    raw = job_executor_input(replace(plan, inputs={}, parameters={}))
    outer = {name: declared[name] for name in arguments_of(task)}
    raw[OPTIONS] |= {
        "useCache": task.use_cache,
        KEY: {
            "pipeline": plan.pipeline,
            "task": task.name,
            "arguments": outer,
            "retries": task.retries,
            "from": list(task.reads),
            "source": source_digest(source_files(spec.target)),  # what SageMaker's cache sees of the step's code
            "parameters": {name: source.to_json() for name, source in sorted(sources.items())},
            "inputs": {
                name: [{"task": item.task, "output": item.output} for item in items]
                for name, items in sorted(task.inputs.items())
            },
        },
    }
    text = json.dumps(raw, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return TaskFile(f"{FOLDER}/{digest[:32]}/{FILE_NAME}", text.encode())


def arguments_of(task: FlatTask) -> list[str]:
    """The pipeline's parameters that a task reads."""
    parts = [part for source in task.parameters.values() for part in source.parts()]
    return sorted({part.name for part in parts if isinstance(part, Argument)})


def constants_of(task: FlatTask) -> dict[str, Any]:
    """The parameters of a task that are known when it is compiled."""
    return {name: source.value for name, source in task.parameters.items() if isinstance(source, Constant)}
