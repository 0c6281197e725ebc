"""The recorder process where MLflow is off, away, or refuses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from intermodal.tracking import delivery as delivery_module
from intermodal.tracking.journal import COMMANDS
from intermodal.tracking.recorder_process import RecorderProcess
from mlflow_cases import Store, wait_for

AWAY = "http://127.0.0.1:9"  # the discard port: nothing listens there


def test_switched_off_it_starts_nothing_and_knows_nothing(tmp_path: Path) -> None:
    recorder = RecorderProcess("off", tmp_path / "run")
    recorder.start()
    parent = recorder.start_pipeline("experiment", "name")
    recorder.log_batch(parent, metrics=[("m", 1.0, 0, 0)])
    recorder.end(parent, "FINISHED")
    assert recorder.ids(parent) is None
    assert recorder.pid is None
    delivery = recorder.close()
    assert (delivery.complete, delivery.delivered, delivery.warning) == (True, 0, "")
    assert not (tmp_path / "run" / COMMANDS).exists()


def test_without_a_server_the_warning_says_all_and_the_journal_keeps_it(tmp_path: Path) -> None:
    recorder = RecorderProcess(AWAY, tmp_path, patience=1)
    parent = recorder.start_pipeline("experiment", "name")
    for step in range(500):
        recorder.log_batch(parent, metrics=[("m", float(step), step, 0)])
    assert recorder.ids(parent) is None
    recorder.end(parent, "FINISHED")
    pid = recorder.pid
    delivery = recorder.close()
    assert (delivery.delivered, delivery.waiting) == (0, 502)
    assert "MLflow did not take 502 of 502 records" in delivery.warning
    assert str(tmp_path) in delivery.warning
    assert len((tmp_path / COMMANDS).read_text().splitlines()) == 502
    assert pid is None or not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_what_mlflow_refuses_is_told_and_holds_nothing_up(store: Store, tmp_path: Path) -> None:
    recorder = RecorderProcess(store.uri, tmp_path / "run")
    parent = recorder.start_pipeline("refused", "name", params={"a": 1})
    recorder.log_batch(parent, params={"a": 2})
    recorder.log_artifacts(parent, tmp_path / "not-there")
    recorder.log_batch(parent, params={"b": 3})
    recorder.end(parent, "FINISHED")
    ids = recorder.ids(parent)
    delivery = recorder.close()
    assert (delivery.delivered, delivery.waiting, len(delivery.refused)) == (3, 0, 2)
    assert "MLflow refused 2 records" in delivery.warning
    assert "Changing param values is not allowed" in delivery.refused[0]
    assert "nothing to log as an artifact" in delivery.refused[1]
    assert ids
    assert store.client().get_run(ids.run_id).data.params == {"a": "1", "b": "3"}


def test_a_deleted_experiment_is_refused_with_what_to_do(store: Store, tmp_path: Path) -> None:
    client = store.client()
    client.delete_experiment(client.create_experiment("deleted"))
    recorder = RecorderProcess(store.uri, tmp_path / "run")
    parent = recorder.start_pipeline("deleted", "name")
    assert recorder.ids(parent) is None
    delivery = recorder.close()
    assert "the MLflow experiment was deleted" in delivery.warning
    assert "mlflow experiments restore" in delivery.warning


def test_a_recorder_that_always_dies_is_given_up(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module.sys, "executable", "/bin/false")
    recorder = RecorderProcess(store.uri, tmp_path / "run")
    parent = recorder.start_pipeline("dies", "name")
    assert recorder.ids(parent) is None
    delivery = recorder.close()
    assert delivery.waiting == 1
    assert "the recorder died 3 times" in delivery.warning


def test_signals_of_the_terminal_do_not_stop_a_recorder(store: Store, tmp_path: Path) -> None:
    recorder = RecorderProcess(store.uri, tmp_path / "run")
    parent = recorder.start_pipeline("signals", "name")
    ids = recorder.ids(parent)
    assert ids
    assert recorder.pid
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(recorder.pid, number)
    recorder.end(parent, "KILLED")
    assert recorder.close().complete
    assert store.client().get_run(ids.run_id).info.status == "KILLED"


def test_closing_without_ending_leaves_the_runs_state_alone(store: Store, tmp_path: Path) -> None:
    recorder = RecorderProcess(store.uri, tmp_path / "run")
    adopted = store.recorder().start_pipeline("open", "theirs")["run_id"]
    recorder.adopt(adopted)
    recorder.log_batch(adopted, params={"a": 1})
    pid = recorder.pid
    assert recorder.close().complete
    assert store.client().get_run(adopted).info.status == "RUNNING"
    if pid:
        wait_for(lambda: not psutil.pid_exists(pid))


def test_a_resumed_run_is_reopened_under_its_handle(store: Store, tmp_path: Path) -> None:
    first = RecorderProcess(store.uri, tmp_path / "run")
    first.start_pipeline("resumed", "name", handle="the-run")
    first.end("the-run", "FAILED")
    before = first.ids("the-run")
    assert first.close().complete
    second = RecorderProcess(store.uri, tmp_path / "run")
    assert second.start_pipeline("resumed", "name", handle="the-run") == "the-run"
    assert second.ids("the-run") == before
    second.log_batch("the-run", tags={"resumed": "yes"})
    second.flush()
    assert before
    assert store.client().get_run(before.run_id).info.status == "RUNNING"
    second.end("the-run", "FINISHED")
    assert second.close().complete
    run = store.client().get_run(before.run_id)
    assert (run.info.status, run.data.tags["resumed"]) == ("FINISHED", "yes")
    assert len(store.client().search_runs([before.experiment_id])) == 1
