"""MLflow's client without what it does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from mlflow_cases import SOURCE, Store

PROGRAM = """
import json, sys
from intermodal.tracking import mlflow_import
mlflow_import.OPTIONAL_PACKAGES += {extra!r}
client = mlflow_import.import_light()({uri!r})
experiment = client.create_experiment("light", "/tmp")
run = client.create_run(experiment).info.run_id
loaded = [name for name in mlflow_import.OPTIONAL_PACKAGES if sys.modules.get(name)]
print(json.dumps([client.get_run(run).info.status, loaded]))
"""


def _run(store: Store, extra: tuple[str, ...]) -> list[object]:
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    command = [sys.executable, "-c", PROGRAM.format(extra=extra, uri=store.uri)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr[-2000:]
    return list(json.loads(said.stdout))


def test_the_client_works_without_pandas_and_numpy(store: Store) -> None:
    assert _run(store, ()) == ["RUNNING", []]


def test_should_mlflow_come_to_need_one_everything_is_imported(store: Store) -> None:
    status, loaded = _run(store, ("yaml",))
    assert status == "RUNNING"
    assert "yaml" in loaded  # type: ignore[operator]
