"""KFP's ExecutorInput as values: what a task is given, and where its answer goes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError

OPTIONS = "intermodal"  # what our own runtimes add; KFP's executor passes over it


@dataclass(frozen=True)
class ArtifactReference:
    """One artifact as KFP hands it over.

    Attributes:
        name: Its name.
        schema: Schema title, such as "system.Dataset".
        uri: Where it lies: a local path or an s3:// URI.
        metadata: KFP's metadata.
    """

    name: str
    schema: str
    uri: str
    metadata: dict[str, Any]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> ArtifactReference:
        """Read one `RuntimeArtifact`."""
        schema = fields.get("type", {}).get("schemaTitle", "system.Artifact")
        return cls(fields.get("name", ""), schema, fields.get("uri", ""), fields.get("metadata", {}))


@dataclass(frozen=True)
class TaskInput:
    """An ExecutorInput, parsed.

    Attributes:
        raw: The mapping as it came; the function is called through KFP's executor with a copy of it.
        parameters: Plain parameters by name.
        inputs: Input artifacts by name; more than one for a collected fan-out.
        outputs: The artifacts the step is to make, by name.
        output_file: Where `executor_output.json` is expected.
        use_cache: False when the pipeline switched caching off for this task.
    """

    raw: dict[str, Any]
    parameters: dict[str, Any]
    inputs: dict[str, tuple[ArtifactReference, ...]]
    outputs: dict[str, ArtifactReference]
    output_file: str
    use_cache: bool = True


def read(argument: str) -> TaskInput:
    """Read an ExecutorInput given on the command line.

    Args:
        argument: The JSON, or "@FILE" with the name of a file that holds it.

    Raises:
        UsageError: The file cannot be read, or it is not the JSON of an ExecutorInput.
    """
    if not argument.startswith("@"):
        return parse(argument)
    try:
        return parse(Path(argument[1:]).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("the file of the ExecutorInput cannot be read", seen=error, expected="@FILE") from error


def parse(text: str) -> TaskInput:
    """Parse an ExecutorInput given as JSON text.

    Args:
        text: The JSON.

    Raises:
        UsageError: It is not the JSON of an ExecutorInput.
    """
    try:
        raw = json.loads(text)
        inputs, outputs = raw.get("inputs", {}), raw["outputs"]
        return TaskInput(
            raw=raw,
            parameters=dict(inputs.get("parameterValues", {})),
            inputs={name: _references(value) for name, value in inputs.get("artifacts", {}).items()},
            outputs={name: _references(value)[0] for name, value in outputs.get("artifacts", {}).items()},
            output_file=outputs["outputFile"],
            use_cache=raw.get(OPTIONS, {}).get("useCache", True),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UsageError(
            "the ExecutorInput cannot be read",
            seen=f"{text[:200]} ({type(error).__name__}: {error})",
            expected="the JSON that Kubeflow Pipelines writes in place of {{$}}",
        ) from error


def _references(value: dict[str, Any]) -> tuple[ArtifactReference, ...]:
    return tuple(ArtifactReference.from_json(item) for item in value["artifacts"])
