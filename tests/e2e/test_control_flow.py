"""KFP's control flow on the local runtime: what runs, what is skipped, and that every task sees the right values.

Tasks run inside the test's process, so that many pipelines are tried in little time; `test_endings.py` goes
through the command line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.runtime.record import RunRecord


def states(record: RunRecord) -> dict[str, str]:
    """Task → state."""
    return {task.name: task.state for task in record.tasks}


def values(record: RunRecord, state: str = "SUCCEEDED") -> dict[str, object]:
    """Task → its single value, of those that ended so."""
    return {task.name: task.values.get("Output") for task in record.tasks if task.state == state}


@pytest.mark.parametrize(
    ("n", "text", "said", "noted"),
    [(9, "plain", "say", "note"), (3, "it's", "say-2", "note-2"), (1, "a && b || !('c')", "say-3", "note-2")],
)
def test_if_elif_else(run, n: int, text: str, said: str, noted: str):
    record = run("choose", n=n, text=text)
    assert record.state == "SUCCEEDED"
    ran = {name for name, state in states(record).items() if state == "SUCCEEDED"}
    assert ran == {"double", said, noted}
    for task in record.tasks:
        if task.name not in ran:
            assert (task.state, task.reason) == ("SKIPPED", "its condition was not met")


@pytest.mark.parametrize(("n", "made", "sum_"), [(3, "make-2", 1), (9, "make", 190)])
def test_one_of_artifacts_and_parameters(run, n: int, made: str, sum_: int):
    record = run("pick", n=n)
    assert record.state == "SUCCEEDED"
    assert record.task("total").values == {"Output": sum_}
    assert states(record)[made] == "SUCCEEDED"
    assert sorted(states(record).values()).count("SKIPPED") == 2


def test_a_loop_is_unrolled_and_collected(run):
    record = run("loop", items=[1, 2, 3])
    assert record.state == "SUCCEEDED"
    assert [task.name for task in record.tasks if task.name.startswith("double")] == [
        "double.0",
        "double.1",
        "double.2",
    ]
    assert {name: values(record)[name] for name in ("double.0", "double.1", "double.2")} == {
        "double.0": 2,
        "double.1": 4,
        "double.2": 6,
    }
    assert record.task("add").values == {"Output": 12}
    assert record.task("merge").values == {"Output": 3}
    assert set(record.task("merge").depends_on) >= {"make.0", "make.1", "make.2"}
    merged = Path(record.task("merge").artifacts["merged"]["uri"]).read_text()
    assert merged == "0\n0\n1\n0\n1\n2\n"


def test_a_loop_within_a_loop(run):
    record = run("nested")
    assert record.state == "SUCCEEDED"
    means = {task.name: task.values["mean"] for task in record.tasks if task.name.startswith("summarise")}
    expected = {
        f"summarise.{i}.{j}": (2 * outer + inner) / 2
        for i, outer in enumerate((1, 2))
        for j, inner in enumerate((10, 20, 30))
    }
    assert means == expected
    assert record.task("summarise.1.2").depends_on == ("double.1",)


def test_a_loop_over_the_list_that_the_outer_loop_is_at(run):
    record = run("rows")
    assert values(record) == {
        "pair.0.0": "1 0 [1, 2]",
        "pair.0.1": "2 0 [1, 2]",
        "pair.1.0": "3 0 [3, 4, 5]",
        "pair.1.1": "4 0 [3, 4, 5]",
        "pair.1.2": "5 0 [3, 4, 5]",
    }


def test_a_loop_over_a_field_of_the_outer_item(run):
    record = run("fields", items=[{"a": 1, "inner": [1, 2]}, {"a": 2, "inner": [3]}])
    assert values(record) == {"pair.0.0": "1 1 []", "pair.0.1": "2 1 []", "pair.1.0": "3 2 []"}


def test_loops_and_conditions_over_named_outputs(run):
    record = run("named", text="it's")
    assert record.state == "SUCCEEDED"
    assert (record.task("pair.0").values, record.task("pair.1").values) == ({"Output": "7 3 []"}, {"Output": "8 3 []"})
    assert {name: states(record)[name] for name in ("say", "note", "note-2")} == {
        "say": "SKIPPED",
        "note": "SKIPPED",
        "note-2": "SUCCEEDED",
    }
    assert states(run("named", text="plain"))["note"] == "SUCCEEDED"


def test_a_body_sees_earlier_outputs_the_outer_item_and_its_own(run):
    record = run("crossed", outer=[1, 2], inner=[10, 20])
    found = values(record)
    for i, one in enumerate((1, 2)):
        for j, other in enumerate((10, 20)):
            names = {record.task(f"pair{suffix}.{i}.{j}").values["Output"] for suffix in ("", "-2")}
            assert names == {f"{one} {other} []", f"10 {other} []"}
    assert (found["double-2.1.0"], found["double-2.1.1"]) == (20, 40)
    assert "double-2.0.0" not in states(record)


def test_a_text_pieced_together_from_outputs(run):
    record = run("pieced")
    assert "a and 6" in values(record).values()


def test_a_loop_without_items(run):
    record = run("nothing-to-do", items=[])
    assert record.state == "SUCCEEDED"
    assert sorted(states(record).values()) == ["SKIPPED", "SUCCEEDED"]


def test_a_part_used_three_times_keeps_its_tasks_apart(run):
    record = run("twice")
    assert record.state == "SUCCEEDED"
    assert record.task("add").values == {"Output": 6 + 15}
    sums = {name: value for name, value in values(record).items() if "--total" in name}
    assert sorted(sums.values()) == [6, 15, 21, 28]
    loop = next(name for name in sums if name.endswith(".0")).partition("--")[0]
    assert sums[f"{loop}--total.0"] == 21
    for task in record.tasks:
        if "--total" in task.name:
            assert task.depends_on == (task.name.replace("--total", "--make"),)


def test_an_exit_handler_after_success(run, tmp_path: Path):
    record = run("guarded", folder=str(tmp_path))
    assert record.state == "SUCCEEDED"
    assert (tmp_path / "closing.txt").read_text() == "exit-handler-1 SUCCEEDED"


def test_an_exit_handler_after_failure(run, tmp_path: Path):
    record = run("guarded", folder=str(tmp_path), message="it broke")
    assert record.state == "FAILED"
    assert states(record) == {"say": "SUCCEEDED", "fail": "FAILED", "closing": "SUCCEEDED"}
    assert (tmp_path / "closing.txt").read_text() == "exit-handler-1 FAILED"
    assert "it broke" in record.error["headline"]


def test_an_exit_handler_always_runs(run, tmp_path: Path):
    """It tells about this very run, so an equal run before it does not stand for it."""
    for message, ending in (("", "SUCCEEDED"), ("", "SUCCEEDED"), ("it broke", "FAILED")):
        record = run("guarded", folder=str(tmp_path), message=message)
        assert states(record)["closing"] == "SUCCEEDED"
        assert record.task("closing").values == {"Output": f"exit-handler-1 {ending}"}
        assert (tmp_path / "closing.txt").read_text() == f"exit-handler-1 {ending}"
        (tmp_path / "closing.txt").unlink()


def test_a_task_whose_caching_the_pipeline_switched_off(run):
    run("uncached")
    record = run("uncached")
    assert states(record) == {"say": "CACHED", "double": "SUCCEEDED"}
    assert record.task("double").reason == "the pipeline switched its cache off"


@pytest.mark.parametrize(
    ("failures", "state", "attempts"), [(0, "SUCCEEDED", 1), (2, "SUCCEEDED", 3), (5, "FAILED", 3)]
)
def test_a_retry_policy(run, tmp_path: Path, failures: int, state: str, attempts: int):
    record = run("retried", folder=str(tmp_path), failures=failures)
    assert record.state == state
    assert states(record) == {"flaky": state}
    assert len(list(tmp_path.glob("attempt-*"))) == attempts
    if state == "SUCCEEDED":
        assert record.task("flaky").error == {}
        assert record.error == {}


def test_plain_components_before_and_after_steps(run, home: Path):
    record = run("mixed", wrong=False)
    assert record.state == "SUCCEEDED"
    assert record.task("say").values == {"Output": "ABC"}
    assert record.task("total").values == {"Output": 10}
    assert record.task("plain").reason == "not an intermodal step: it always runs"
    log = (home / "runs" / record.run_id / "tasks" / "plain" / "log.txt").read_text()
    assert "plainly abc" in log


def test_a_plain_component_that_fails(run, home: Path):
    record = run("mixed", wrong=True)
    assert record.state == "FAILED"
    assert states(record)["plain-files"] == "FAILED"
    assert states(record)["total"] == "SKIPPED"
    assert record.error["headline"] == "task plain-files failed"
    assert record.error["exit_code"] == 4
    log = (home / "runs" / record.run_id / "tasks" / "plain-files" / "log.txt").read_text()
    assert "plainly wrong" in log


def test_a_second_run_does_no_work(run):
    for name in ("loop", "nested", "twice", "optional", "values", "linked"):
        first, second = run(name), run(name)
        assert {task.state for task in second.tasks} == {"CACHED"}, name
        assert [task.name for task in second.tasks] == [task.name for task in first.tasks] or name != "loop"
        found = {task.name: (task.values, task.artifacts, task.metrics) for task in second.tasks}
        assert found == {task.name: (task.values, task.artifacts, task.metrics) for task in first.tasks}


def test_without_the_cache_everything_is_repeated_and_remembered(run):
    first = run("optional")
    again = run("optional", use_cache=False)
    assert {task.state for task in again.tasks} == {"SUCCEEDED"}
    assert {task.reason for task in again.tasks} == {"the cache is switched off"}
    uri = again.task("make").artifacts["data"]["uri"]
    assert uri != first.task("make").artifacts["data"]["uri"]
    assert run("optional").task("make").artifacts["data"]["uri"] == uri


def test_optional_inputs(run):
    record = run("optional", label="given")
    assert values(record) == {"make": None, "maybe": "data, given", "maybe-2": "no data, None"}


def test_lists_and_mappings_as_parameters(run):
    record = run("values")
    assert record.task("summarise").values == {"total": 3, "mean": 6.5 / 3 * 2, "label": "it's"}


def test_links_between_artifacts_leave_the_input_whole(run):
    record = run("linked")
    assert record.state == "SUCCEEDED"
    source, copy = record.task("make").artifacts["data"], record.task("link").artifacts["copy"]
    assert Path(copy["uri"]).read_text() == Path(source["uri"]).read_text() == "0\n1\n2\n"
    tree = Path(record.task("link").artifacts["tree"]["uri"])
    assert (tree / "inner" / "linked.txt").read_text() == (tree / "again" / "linked.txt").read_text() == "0\n1\n2\n"
    assert not [path for path in tree.rglob("*") if path.is_symlink()]


def test_one_failing_iteration_fails_the_run_with_its_own_cause(run):
    record = run("broken-loop")
    assert record.state == "FAILED"
    assert states(record)["fail.1"] == "FAILED"
    assert "the second" in record.error["headline"]
    assert record.error["exit_code"] == 4


def test_a_task_may_ignore_a_failure_before_it(run):
    record = run("careless")
    assert record.state == "FAILED"
    assert states(record) == {"fail": "FAILED", "say": "SUCCEEDED"}


def test_a_condition_that_cannot_be_evaluated_is_an_error_and_not_false(run):
    record = run("unlucky-condition")
    assert record.state == "FAILED"
    assert record.error["headline"] == "a condition of the pipeline cannot be evaluated"
    assert record.error["exit_code"] == 5


def test_a_metric_that_is_not_a_number_does_no_harm(run):
    record = run("undefined-metric", value=False)
    assert record.state == "SUCCEEDED"
    found = record.task("undefined").metrics
    assert found["defined"] == 0.5
    assert found["undefined"] != found["undefined"]  # noqa: PLR0124  only NaN differs from itself


def test_a_value_that_is_not_a_number_is_one_clear_error(run):
    record = run("undefined-metric", value=True)
    assert record.state == "FAILED"
    assert "a Output that KFP cannot carry" in record.error["headline"]
    assert record.error["seen"] == "inf"


def test_data_that_no_step_made(run, tmp_path: Path):
    data = tmp_path / "data.txt"
    data.write_text("1\n2\n")
    first = run("imported", uri=str(data))
    assert first.task("total").values == {"Output": 3}
    assert states(run("imported", uri=str(data)))["total"] == "CACHED"
    data.write_text("1\n2\n3\n")
    again = run("imported", uri=str(data))
    assert again.task("total").values == {"Output": 6}
    assert again.task("total").reason == "input parts changed"


def test_data_that_is_not_there(run, tmp_path: Path):
    record = run("imported", uri=str(tmp_path / "nothing"))
    assert record.state == "FAILED"
    assert "there is no artifact here" in record.error["headline"]
