"""`intermodal drift-captured`: what a monitoring schedule of SageMaker runs in our image."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from intermodal.cli.main import new_parser

_BASELINE_VARIABLE = "baseline_constraints"  # SageMaker names the file that it brought
_ROOT = os.environ.get("SM_LOCAL_PREFIX", "/opt/ml")


def main(arguments: Sequence[str]) -> int:
    """Compare what an endpoint captured with what its model was trained on.

    Args:
        arguments: The words after the verb.

    Returns:
        0, drift or not: what was found stands in the output and in the job's message.

    Raises:
        DataRejected: Nothing was captured.
    """
    parser = new_parser("drift-captured")
    parser.add_argument("captured", type=Path, help="folder with captured requests")
    parser.add_argument("output", type=Path, help="folder for drift.json and constraint_violations.json")
    parser.add_argument("--baseline", type=Path, default=None, help="folder with the model's reference.json")
    parser.add_argument("--psi-threshold", type=float, default=0.25, help="index of the lengths that counts")
    parser.add_argument("--words-threshold", type=float, default=0.1, help="distance of the vocabularies that counts")
    options = parser.parse_args(arguments)
    from intermodal.serving.captured import drift_of_captured, violations_of
    from intermodal.text.drift import DRIFTED, Limits

    told = os.environ.get(_BASELINE_VARIABLE, "")
    baseline = Path(told).parent if told else options.baseline or Path()
    found = drift_of_captured(options.captured, baseline, Limits(options.psi_threshold, options.words_threshold))
    options.output.mkdir(parents=True, exist_ok=True)
    _write(options.output / "drift.json", found)
    _write(options.output / "constraint_violations.json", violations_of(found))
    words = "CompletedWithViolations" if found["verdict"] == DRIFTED else "Completed"
    message = Path(_ROOT) / "output" / "message"
    if message.parent.is_dir():
        message.write_text(f"{words}: {found['sentence']}", encoding="utf-8")
    print(json.dumps(found, indent=1) if options.json else found["sentence"])
    return 0


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
