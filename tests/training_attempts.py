"""Attempts at one training in processes of their own, and in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from intermodal.core.registry import load_function as step_named

PROCESS = Path(__file__).parent / "training_process.py"


class Attempts:
    """Attempts at one training, each in a process of its own, with the same directory of checkpoints."""

    def __init__(
        self, folder: Path, features: Dataset, parameters: dict[str, Any], step: str = "train_pytorch"
    ) -> None:
        self.kept, self._folder, self._step = folder / "checkpoints", folder, step
        self._features, self._parameters = features, parameters

    def run(self, name: str, **arranged: Any) -> subprocess.CompletedProcess[str]:
        told = {
            "folder": str(self._folder / name), "features": self._features.path, "metadata": self._features.metadata,
            "parameters": self._parameters, "step": self._step, **arranged,
        }  # fmt: skip
        settings = self._folder / f"{name}.json"
        settings.write_text(json.dumps(told))
        environment = {**os.environ, "PYTHONPATH": str(PROCESS.parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"INTERMODAL_CHECKPOINTS": str(self.kept), "INTERMODAL_CHECKPOINT_SECONDS": "0"}
        command = [sys.executable, str(PROCESS), str(settings)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)

    def in_one_go(self, name: str) -> None:
        """The same training in this process, without checkpoints."""
        folder = self._folder / name
        made = [
            kind(name=part, uri=str(folder / part), metadata={})
            for kind, part in (
                (Model, "model"),
                (Dataset, "curves"),
                (Metrics, "metrics"),
                (HTML, "r"),
                (Markdown, "n"),
            )
        ]
        step_named(self._step)(self._features, *made, **self._parameters)
        (folder / "metadata.json").write_text(json.dumps(made[0].metadata))

    def made(self, name: str) -> dict[str, bytes]:
        """Files of the model and of the curves."""
        roots = [self._folder / name / part for part in ("model", "curves")]
        files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
        assert files
        return {str(path.relative_to(self._folder / name)): path.read_bytes() for path in files}

    def metadata(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self._folder / name / "metadata.json").read_text()))

    def positions(self) -> list[int]:
        return sorted(int(path.stem.removeprefix("state-")) for path in self.kept.rglob("state-*.json"))
