"""A task that opens the parent run late, or at the moment in which a client adopts one, withdraws."""

from __future__ import annotations

import time
from collections.abc import Callable
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


class Slow:
    """A client that is held up between looking for a parent and opening one."""

    def __init__(self, client: Any, meanwhile: Callable[[], None]) -> None:
        self._client, self._meanwhile = client, meanwhile

    def __getattr__(self, name: str) -> Any:
        if name == "create_run":
            self._meanwhile()
            time.sleep(0.005)  # the times that runs began at are in milliseconds
        return getattr(self._client, name)


def test_who_opens_a_parent_long_after_it_looked_takes_nobodys_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ensure_store(uri)
    client, first = MlflowClient(uri), []
    monkeypatch.setattr(shared_parent, "_SETTLE_SECONDS", 0.0)
    for key in "abcdef":

        def meanwhile(key: str = key) -> None:
            first.append(shared_parent.find_or_open(client, "0", key, "in time").info.run_id)

        late = shared_parent.find_or_open(Slow(client, meanwhile), "0", key, "late")
        assert late.info.run_id == first[-1]
    assert {run.info.run_id for run in client.search_runs(["0"])} == set(first), "no second parent is left"


def test_the_clients_run_wins_whoever_came_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ensure_store(uri)
    client = MlflowClient(uri)
    adopted = []
    # Several times: of runs opened in the same millisecond the ids decide, and those are random.
    for key in "abcdef":
        adopted.append(client.create_run("0").info.run_id)
        monkeypatch.setattr(shared_parent.time, "sleep", partial(claim, client, adopted[-1], key))
        found = shared_parent.find_or_open(client, "0", key, "opened by a task")
        assert found.info.run_id == adopted[-1]
    assert {run.info.run_id for run in client.search_runs(["0"])} == set(adopted), "no second parent is left"
