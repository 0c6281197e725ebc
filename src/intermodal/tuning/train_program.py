"""The program `train` of our images: a training step run from SageMaker's hyperparameters, for tunings and estimators.

A HyperParameterTuningJob can name no command, so SageMaker runs `train`. Its hyperparameters name the step
(`intermodal_step`) and its parameters, as text; the channel `features` holds the features. The model comes to lie in
/opt/ml/model, all other outputs in /opt/ml/output/data; metrics are printed as lines that metric definitions find.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from intermodal.aws.tuning import FEATURES, STEP_HYPERPARAMETER
from intermodal.core.manifest import MANIFEST_NAME, Manifest
from intermodal.core.metric_lines import metric_line
from intermodal.core.registry import load_spec
from intermodal.core.step import StepSpec
from intermodal.core.values import from_text
from intermodal.errors import EXIT_USAGE, IntermodalError, UsageError
from intermodal.store.copying import copy_plainly
from intermodal.tuning.running import RunningTrial
from intermodal.tuning.trial import OUTPUTS, TrialRequest

ROOT_VARIABLE = "SM_LOCAL_PREFIX"  # where a local service has no namespace to put /opt/ml into
_LOOK = 0.1  # seconds
_OWN = ("_", "sagemaker_", "intermodal_")  # beginnings of hyperparameters that are no parameters of the step
_FAILURE_LENGTH = 1024


def main() -> int:
    """Train as `/opt/ml` says.

    Returns:
        0, or what SageMaker takes for a failure; `/opt/ml/output/failure` says why.
    """
    os.environ.setdefault("_KFP_RUNTIME", "true")
    root = Path(os.environ.get(ROOT_VARIABLE) or "/opt/ml")
    try:
        request = read_request(root)
    except IntermodalError as error:
        return _failed(root, str(error), EXIT_USAGE)
    trial = RunningTrial(request, root / "output" / "intermodal")
    signal.signal(signal.SIGTERM, lambda number, frame: _stopped(trial, number, frame))
    _follow(trial)
    answer = trial.answer()
    if answer.error:
        return _failed(root, answer.error, 1)
    for name, value in sorted(answer.metrics.items()):
        print(metric_line({"event": "metric", "name": name, "value": value, "step": 0}), flush=True)
    _deliver(trial, root)
    return 0


def read_request(root: Path) -> TrialRequest:
    """What is to be trained, from `/opt/ml/input`.

    Args:
        root: `/opt/ml`.

    Raises:
        UsageError: The hyperparameters name no step, or a value that it does not take; there are no features.
    """
    given = json.loads((root / "input/config/hyperparameters.json").read_text(encoding="utf-8"))
    name = given.get(STEP_HYPERPARAMETER, "")
    if not name:
        expected = f"{STEP_HYPERPARAMETER}, such as train_pytorch"
        raise UsageError("the hyperparameters name no step", seen=", ".join(sorted(given)), expected=expected)
    features = root / "input/data" / FEATURES
    if not features.is_dir():
        raise UsageError(f"there is no channel {FEATURES}", expected=str(features))
    spec = load_spec(name)
    return TrialRequest(spec.target, read_parameters(spec, given), str(features), metadata_of(features))


def read_parameters(spec: StepSpec, given: dict[str, str]) -> dict[str, Any]:
    """Hyperparameters, which are text, as the step's parameters; SageMaker's own are left out.

    Raises:
        UsageError: One is unknown, or of the wrong type.
    """
    own = {name: text for name, text in given.items() if not name.startswith(_OWN)}
    return {name: from_text(name, spec.parameter(name).type, text) for name, text in sorted(own.items())}


def metadata_of(features: Path) -> dict[str, Any]:
    """What an artifact says of itself, from its manifest; nothing when it has none.

    Raises:
        ArtifactCorrupt: The manifest was altered.
    """
    path = features / MANIFEST_NAME
    if not path.is_file():
        return {}
    manifest = Manifest.from_json(path.read_text(encoding="utf-8"), str(features))
    return {**manifest.metadata, **({"splits": manifest.splits} if manifest.splits else {})}


def _follow(trial: RunningTrial) -> None:
    """Hand on what the trial says: its curve as metric lines, what it prints as it is."""
    shown = 0
    while True:
        over = trial.ended()
        for event in trial.events():
            if line := metric_line(event):
                print(line, flush=True)
        text = trial.log
        sys.stdout.write(text[shown:])
        sys.stdout.flush()
        shown = len(text)
        if over:
            return
        time.sleep(_LOOK)


def _deliver(trial: RunningTrial, root: Path) -> None:
    copy_plainly(trial.model, root / "model")
    target = root / "output" / "data"
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((trial.folder / OUTPUTS).iterdir()):
        if path.name == "model":
            continue
        copy_plainly(path, target / path.name if path.is_dir() else target)
    answer = trial.answer()
    told = {"model": answer.metadata, "metrics": answer.metrics}
    (target / "metadata.json").write_text(json.dumps(told, sort_keys=True), encoding="utf-8")
    shutil.rmtree(trial.folder, ignore_errors=True)


def _stopped(trial: RunningTrial, _number: int, _frame: FrameType | None) -> None:
    trial.stop()
    os._exit(143)


def _failed(root: Path, why: str, code: int) -> int:
    print(f"error: {why}", file=sys.stderr, flush=True)
    (root / "output").mkdir(parents=True, exist_ok=True)
    (root / "output" / "failure").write_text(why[:_FAILURE_LENGTH], encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
