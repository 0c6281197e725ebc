"""One trial in a process of its own: `python -m intermodal.tuning.trial FOLDER` trains once and gives its memory back.

`trial.json` in the folder says what to do; outputs, curves and an answer come to lie beside it. The step's function is
called through KFP's executor, exactly as a task calls it, so a trial makes the bytes that the step alone makes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from intermodal.core.child import die_with
from intermodal.errors import IntermodalError

REQUEST, ANSWER, OUTPUTS = "trial.json", "answer.json", "outputs"
PARENT_VARIABLE = "INTERMODAL_TRIAL_PARENT"


@dataclass(frozen=True)
class TrialRequest:
    """What a trial is to do.

    Attributes:
        step: The training step, "module:function".
        parameters: Its parameters.
        features: Path of the features.
        metadata: The features' metadata.
    """

    step: str
    parameters: dict[str, Any]
    features: str
    metadata: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write it into a trial's folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REQUEST).write_text(json.dumps(asdict(self)), encoding="utf-8")


@dataclass(frozen=True)
class TrialAnswer:
    """What a trial made.

    Attributes:
        metrics: The step's metrics.
        metadata: The model's metadata.
        error: Why it failed; empty when it did not.
    """

    metrics: dict[str, float]
    metadata: dict[str, Any]
    error: str = ""

    @classmethod
    def load(cls, folder: Path) -> TrialAnswer:
        """Read it from a trial's folder; a process that vanished left an error and nothing else."""
        try:
            return cls(**json.loads((folder / ANSWER).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls({}, {}, "the process ended without a word; it may have run out of memory")


def run_trial(folder: Path) -> TrialAnswer:
    """Train once.

    Args:
        folder: The trial's folder, with `trial.json`.

    Returns:
        What came of it; the same is in `answer.json`.
    """
    given = TrialRequest(**json.loads((folder / REQUEST).read_text(encoding="utf-8")))
    try:
        answer = _train(given, folder)
    except IntermodalError as error:
        answer = TrialAnswer({}, {}, str(error))
        print(f"error: {error}", file=sys.stderr)
    except Exception as error:
        import traceback

        traceback.print_exc()
        answer = TrialAnswer({}, {}, f"{type(error).__name__}: {error}"[:1000])
    part = folder / f"{ANSWER}.part"
    part.write_text(json.dumps(asdict(answer)), encoding="utf-8")
    part.replace(folder / ANSWER)
    return answer


def _train(given: TrialRequest, folder: Path) -> TrialAnswer:
    from kfp.dsl.executor import Executor

    from intermodal.core.registry import load_function
    from intermodal.core.step import spec_of

    function = load_function(given.step)
    spec = spec_of(function)
    outputs = {slot.name: _artifact(slot.name, slot.schema, folder / OUTPUTS / slot.name) for slot in spec.outputs}
    features = _artifact("features", spec.inputs[0].schema, Path(given.features), given.metadata)
    answer = folder / "executor_output.json"
    (folder / OUTPUTS).mkdir(exist_ok=True)
    called = {
        "inputs": {"parameterValues": given.parameters, "artifacts": {"features": features}},
        "outputs": {"artifacts": outputs, "outputFile": str(answer)},
    }
    Executor(executor_input=called, function_to_execute=function).execute()
    made = json.loads(answer.read_text(encoding="utf-8"))["artifacts"]
    told = {name: made[name]["artifacts"][0].get("metadata", {}) for name in ("metrics", "model")}
    numbers = {name: float(value) for name, value in told["metrics"].items() if isinstance(value, int | float)}
    return TrialAnswer(numbers, told["model"])


def _artifact(name: str, schema: str, path: Path, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    fields = {"name": name, "type": {"schemaTitle": schema}, "uri": str(path), "metadata": metadata or {}}
    return {"artifacts": [fields]}


def main() -> int:
    """Run the trial of the folder that the command line names.

    Returns:
        0, or 1 when the step failed.
    """
    os.environ.setdefault("_KFP_RUNTIME", "true")
    parent = os.environ.get(PARENT_VARIABLE)
    if parent:
        die_with(int(parent))  # when the tuning is killed, even by kill -9
    signal.signal(signal.SIGTERM, _end)
    return 1 if run_trial(Path(sys.argv[1])).error else 0


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(143)  # nothing is to be tidied up: whoever stopped it removes the folder


if __name__ == "__main__":
    sys.exit(main())
