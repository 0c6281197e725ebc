"""The flag --debug: a breakpoint in a step, a failure looked at, an end in the middle."""

from __future__ import annotations

from pathlib import Path

from launching import intermodal, pipeline
from run_records import record_of, states


def test_a_breakpoint_in_a_step(home: Path):
    answer = intermodal("run", pipeline("debugged"), "-p", "value=7", "--debug", stdin="p 'secret is', secret\nc\n")
    assert answer.code == 0, answer.err
    assert "('secret is', 42)" in answer.err  # standard output is no terminal here
    assert "stop_here" in answer.err
    assert states(record_of(home)) == {"stop-here": "SUCCEEDED", "double": "SUCCEEDED"}


def test_under_the_debugger_flag_json_is_one_object_too(home: Path):
    answer = intermodal("run", pipeline("failing"), "--debug", "--json")
    assert answer.json["exit_code"] == answer.code == 4
    assert "line 29" in answer.err


def test_leaving_the_debugger_interrupts_the_run(home: Path):
    answer = intermodal("run", pipeline("debugged"), "--debug", stdin="q\n")
    assert answer.code == 130
    assert record_of(home)["state"] == "CANCELLED"
    assert "Traceback" not in answer.err


def test_a_failure_under_the_debugger_flag(home: Path):
    answer = intermodal("run", pipeline("failing"), "--debug")
    assert answer.code == 4
    assert "error: task fail failed: ValueError: it broke" in answer.err
