"""A training in a process of its own, which tests kill where they like.

python training_process.py SETTINGS.json, with the step's arguments under "parameters", and optionally
{"kill": {"at": "replace" | "step", "number": N}}: the process sends itself SIGKILL before the N-th call, or
{"signal": {"at": "step" | "judge", "number": N}}: it sends itself SIGTERM inside the N-th.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from intermodal.errors import Interrupted


def _on_call(owner: Any, name: str, number: int, act: Callable[[], None]) -> None:
    """Act before the N-th call of a function."""
    function, calls = getattr(owner, name), [0]

    def counted(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            act()
        return function(*given, **named)

    setattr(owner, name, counted)


def _arrange(told: dict[str, Any], number: signal.Signals) -> None:
    def act() -> None:
        os.kill(os.getpid(), number)

    if told["at"] == "replace":
        _on_call(os, "replace", told["number"], act)
    elif told["at"] == "keras":
        from intermodal.text import keras_training

        _on_call(keras_training, "_advance", told["number"], act)
    else:
        from intermodal.text import encoder_training, fine_tuning

        owner, name = {"step": (fine_tuning, "_advance"), "judge": (encoder_training, "probabilities")}[told["at"]]
        _on_call(owner, name, told["number"], act)


def _interrupt(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted("the task was told to stop")


def main(told: dict[str, Any]) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    for kind, number in (("kill", signal.SIGKILL), ("signal", signal.SIGTERM)):
        if kind in told:
            _arrange(told[kind], number)
    folder, step = Path(told["folder"]), told.get("step", "train_pytorch")
    function = getattr(__import__(f"intermodal.steps.{step}", fromlist=[step]), step)
    features = Dataset(name="features", uri=told["features"], metadata=told["metadata"])
    made = [
        kind(name=name, uri=str(folder / name), metadata={})
        for kind, name in ((Model, "model"), (Dataset, "curves"), (Metrics, "metrics"), (HTML, "r"), (Markdown, "n"))
    ]
    try:
        function(features, *made, **told["parameters"])
    except Interrupted:
        sys.exit(130)
    (folder / "metadata.json").write_text(json.dumps(made[0].metadata))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
