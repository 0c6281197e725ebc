"""A task that opens the parent run at the moment in which a client adopts one withdraws."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from intermodal.tracking import shared_parent
from intermodal.tracking.store_init import ensure_store


def claim(client: Any, run_id: str, key: str, _seconds: float = 0) -> None:
    marks = {
        shared_parent.KEY_TAG: key,
        shared_parent.ROLE_TAG: shared_parent.PIPELINE,
        shared_parent.OWNER_TAG: shared_parent.CLIENT,
    }
    for name, value in marks.items():
        client.set_tag(run_id, name, value)


def test_the_clients_run_wins_whoever_came_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ensure_store(uri)
    client = MlflowClient(uri)
    adopted = []
    # Several times: where no client decides, the runs' ids do, and those are random.
    for key in "abcdef":
        adopted.append(client.create_run("0").info.run_id)
        monkeypatch.setattr(shared_parent.time, "sleep", partial(claim, client, adopted[-1], key))
        found = shared_parent.find_or_open(client, "0", key, "opened by a task")
        assert found.info.run_id == adopted[-1]
    assert {run.info.run_id for run in client.search_runs(["0"])} == set(adopted), "no second parent is left"
