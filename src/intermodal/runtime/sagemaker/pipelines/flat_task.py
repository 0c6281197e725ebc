"""The tasks of a flattened pipeline, as values."""

from __future__ import annotations

from dataclasses import dataclass

from intermodal.runtime.sagemaker.pipelines.sources import Returned, Source


@dataclass(frozen=True)
class Made:
    """An artifact that a task makes.

    Attributes:
        task: The task's name in the SageMaker pipeline.
        output: The output's name in its step.
    """

    task: str
    output: str


@dataclass(frozen=True)
class Guard:
    """A condition around tasks.

    Attributes:
        name: Its name, unique in the SageMaker pipeline.
        title: What the pipeline calls it.
        expression: As kfp wrote it.
        values: What it reads: name → where that comes from.
    """

    name: str
    title: str
    expression: str
    values: dict[str, Source]


@dataclass(frozen=True)
class FlatTask:
    """One task that becomes one step.

    Attributes:
        name: Its name in the SageMaker pipeline: letters, digits, "-" and "_", at most 64.
        title: Its name in the pipeline.
        step: "module:function".
        image: Image reference of its component.
        parameters: Parameter → where its value comes from.
        inputs: Input → the artifacts it is given.
        after: Tasks it waits for though it reads nothing of theirs.
        guards: The conditions around it, outermost first.
        use_cache: Whether the pipeline lets a remembered result stand.
        retries: How often it may be tried again.
    """

    name: str
    title: str
    step: str
    image: str
    parameters: dict[str, Source]
    inputs: dict[str, tuple[Made, ...]]
    after: tuple[str, ...]
    guards: tuple[Guard, ...]
    use_cache: bool = True
    retries: int = 0

    @property
    def reads(self) -> tuple[str, ...]:
        """The tasks whose values or artifacts it is given, in the order of their names."""
        made = {item.task for items in self.inputs.values() for item in items}
        parts = [part for source in self.parameters.values() for part in source.parts()]
        return tuple(sorted(made | {part.task for part in parts if isinstance(part, Returned)}))
