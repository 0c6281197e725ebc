"""The parts of the Kubeflow runtime: asking again, creating once, copying logs, reading what the server says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kfp_server_api import ApiException, PipelineTaskDetailChildTask, V2beta1PipelineTaskDetail, V2beta1Run
from kfp_server_api import V2beta1RunDetails as Details

from intermodal.errors import RuntimeFailed, UsageError
from intermodal.runtime.kubeflow.client import cookie_of, headers_of, open_client, require_host, token_of
from intermodal.runtime.kubeflow.ending import finished, reopened
from intermodal.runtime.kubeflow.links import linked
from intermodal.runtime.kubeflow.patience import Lost, Patience, Refused
from intermodal.runtime.kubeflow.podlogs import PodLogs
from intermodal.runtime.kubeflow.settings import KubeflowSettings
from intermodal.runtime.kubeflow.submit import Submission, create_once
from intermodal.runtime.kubeflow.tasks import SeenTask, outcomes_by_name, seen_tasks, updated
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.pod import Told
from intermodal.runtime.record import RunRecord, TaskRecord


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def patience(self, seconds: float = 60.0) -> Patience:
        return Patience(seconds, "http://host", self.sleep, lambda: self.now)


def failing(*errors: Exception, answer: Any = "answer") -> Any:
    left = list(errors)

    def call() -> Any:
        if left:
            raise left.pop(0)
        return answer

    return call


def status(code: int, body: str = "") -> ApiException:
    error = ApiException(status=code, reason="because")
    error.body = body
    return error


@pytest.mark.parametrize(
    "error", [status(503), status(429), status(500), ConnectionResetError("reset"), TimeoutError()]
)
def test_a_server_that_stumbles_is_asked_again(error):
    clock = Clock()
    assert clock.patience().ask("show a run", failing(error, error, error)) == "answer"
    assert len(clock.pauses) == 3
    assert clock.pauses[2] > clock.pauses[0] / 2


def test_patience_ends():
    clock = Clock()
    with pytest.raises(RuntimeFailed, match="did not answer for 60 s") as caught:
        clock.patience().ask("show a run", failing(*[status(503)] * 1000))
    assert clock.now <= 60
    assert "kubeflow.patience" in caught.value.next_step


def test_a_refusal_is_told_at_once_in_the_servers_words():
    clock = Clock()
    with pytest.raises(Refused) as caught:
        clock.patience().ask("create a run", failing(status(400, '{"message": "the run name is empty"}')))
    assert clock.pauses == []
    assert "the run name is empty" in caught.value.seen
    with pytest.raises(Refused) as caught:
        clock.patience().ask("create a run", failing(status(401)))
    assert "token_env" in caught.value.next_step


@dataclass
class CountingServer:
    """Creates runs, and breaks the connection when it is told to."""

    breaks: list[str]
    late: int = 0  # how many looks pass until a run that was created shows
    clock: Clock = field(default_factory=Clock)
    runs: list[Any] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.patience = self.clock.patience()
        self.settings = KubeflowSettings(host="http://host")

    def create_run(self, body: Any) -> Any:
        how = self.breaks.pop(0) if self.breaks else ""
        if how != "before":
            self.runs.append(SimpleNamespace(run_id=f"run-{len(self.runs)}", display_name=body.display_name))
        if how:
            raise Lost("the connection broke")
        return self.runs[-1]

    def runs_named(self, name: str, experiment: str) -> list[Any]:
        assert experiment == "experiment"
        if self.late:
            self.late -= 1
            return []
        return [run for run in self.runs if run.display_name == name]

    def terminate(self, run_id: str) -> None:
        self.stopped.append(run_id)


@pytest.mark.parametrize(
    ("breaks", "late", "created"),
    [([], 0, 1), (["after"], 0, 1), (["after"], 3, 1), (["before"], 0, 1), (["before", "after"], 0, 1)],
)
def test_a_run_is_created_once_however_the_connection_breaks(breaks, late, created):
    server = CountingServer(breaks, late)
    run = create_once(server, Submission("name", "experiment", "pipeline", "version", {}))
    assert len(server.runs) == created
    assert run.run_id == "run-0"
    assert create_once(server, Submission("name", "experiment", "pipeline", "version", {})).run_id == "run-0"
    assert len(server.runs) == created


def test_of_two_runs_after_all_the_later_one_is_stopped():
    server = CountingServer(
        ["after", "after"], late=5
    )  # the first one shows too late: looks before and after are in vain
    run = create_once(server, Submission("name", "experiment", "pipeline", "version", {}))
    assert run.run_id == "run-0"
    assert server.stopped == ["run-1"]


def test_a_run_that_shows_after_a_second_one_was_created_stays_the_only_one():
    server = CountingServer(["after"], late=5)
    run = create_once(server, Submission("name", "experiment", "pipeline", "version", {}))
    assert run.run_id == "run-0"
    assert server.stopped == ["run-1"]


def test_a_run_that_somebody_asked_for_just_now_is_waited_for():
    server = CountingServer([], late=2)
    server.runs.append(SimpleNamespace(run_id="theirs", display_name="name"))
    run = create_once(server, Submission("name", "experiment", "pipeline", "version", {}), asked=True)
    assert run.run_id == "theirs"
    assert len(server.runs) == 1


def test_a_run_of_which_nobody_knows_is_given_up_with_the_way_to_look_for_it():
    server = CountingServer(["before"] * 1000)
    with pytest.raises(RuntimeFailed, match="nobody knows") as caught:
        create_once(server, Submission("name", "experiment", "pipeline", "version", {}))
    assert caught.value.next_step.startswith("intermodal resume name")


def test_logs_are_copied_without_gaps_or_repeats_by_one_follower_after_another(tmp_path: Path):
    pods: dict[str, bytes] = {"first": b"one\ntw"}
    heard: list[str] = []

    def follower() -> PodLogs:
        return PodLogs(
            tmp_path, [lambda pod, _made: pods.get(pod)], lambda _name, line: heard.append(line), pytest.fail
        )

    seen = SeenTask("train", "RUNNING", ("first",))
    logs = follower()
    logs.copy(seen)
    logs.copy(seen)
    pods["first"] += b"o\nthree\n"
    logs.copy(seen)
    assert heard == ["one", "two", "three"]
    pods["first"] += b"four\n"
    pods["second"] = b"again\nlast"
    after = SeenTask("train", "SUCCEEDED", ("first", "second"))
    follower().copy(after, last=True)
    assert heard == ["one", "two", "three", "four", "again", "last"]
    follower().copy(after)
    pods["first"] = b"one\n"  # the cluster forgets
    follower().copy(after)
    assert (tmp_path / "tasks" / "train" / "log.txt").read_bytes() == b"one\ntwo\nthree\nfour\nagain\nlast"
    assert heard[6:] == []


def test_the_log_of_a_repeated_pod_is_told_whole_though_it_has_the_name_of_the_one_before(tmp_path: Path):
    pods = {"pod": b"one\nfails here\n"}
    heard: list[str] = []
    seen = SeenTask("train", "FAILED", ("pod",))
    for content in (b"one\nfails here\n", b"on", b"one\ngoes well\n", b"one\ngoes well\nends\n"):
        pods["pod"] = content
        logs = PodLogs(tmp_path, [lambda pod, _: pods[pod]], lambda _, line: heard.append(line), pytest.fail)
        logs.copy(seen)
    assert heard == ["one", "fails here", "one", "goes well", "ends"]
    assert (tmp_path / "tasks" / "train" / "log.txt").read_text() == "\n".join([*heard, ""])


def test_when_no_way_to_the_logs_is_left_it_is_told_once(tmp_path: Path):
    warnings: list[str] = []
    asked: list[str] = []

    def refuse(pod: str, _made: str) -> bytes:
        asked.append(pod)
        raise Refused("Kubeflow's pages give no logs", seen="403")

    logs = PodLogs(tmp_path, [refuse, refuse], lambda *_line: None, warnings.append)
    for _ in range(3):
        logs.copy(SeenTask("train", "RUNNING", ("pod",)))
    assert len(asked) == 2
    assert len(warnings) == 1


def node(name: str, parent: str = "", state: str = "SUCCEEDED", number: int = 0, pod: str = "") -> Any:
    """One of Kubeflow's nodes; its id is its name and number."""
    made = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return V2beta1PipelineTaskDetail(
        task_id=f"{name}/{number}",
        display_name=name,
        parent_task_id=parent,
        state=state,
        create_time=made,
        start_time=made,
        end_time=made + timedelta(seconds=2),
        pod_name=pod or f"node-{name}-{number}",
        child_tasks=[PipelineTaskDetailChildTask(pod_name="x")],
    )


def run_of(*nodes: Any, state: str = "RUNNING") -> Any:
    return V2beta1Run(state=state, run_details=Details(task_details=[node("root"), *nodes]))


def test_tasks_are_told_from_all_the_other_nodes():
    run = run_of(
        node("root-driver", "root/0"),
        node("make-driver", "root/0", number=1),
        node("make", "root/0", number=2),
        node("executor", "make/2", number=3, pod="pod-a"),
        node("for-loop-1", "root/0", number=4),
        node("iteration(0)", "for-loop-1/4", number=5),
        node("double", "iteration(0)/5", number=6),
        node("executor", "double/6", number=7, pod="pod-b"),
        node("iteration(1)", "for-loop-1/4", number=8),
        node("double", "iteration(1)/8", "RUNNING", number=9),
        node("part", "root/0", number=10),
        node("make", "part/10", number=11),
        node("executor", "make/11", number=12, pod="pod-c"),
        node("flaky", "root/0", number=13),
        node("executor", "flaky/13", number=14),
        node("executor(0)", "executor/14", "FAILED", number=15, pod="pod-d"),
        node("executor(1)", "executor/14", number=16, pod="pod-e"),
    )
    seen = seen_tasks(run, ["make", "double", "part--make", "flaky"], ["double"])
    assert [(item.name, item.state, item.pods) for item in seen] == [
        ("make", "SUCCEEDED", ("pod-a",)),
        ("double.0", "SUCCEEDED", ("pod-b",)),
        ("double.1", "RUNNING", ()),
        ("part--make", "SUCCEEDED", ("pod-c",)),
        ("flaky", "SUCCEEDED", ("pod-d", "pod-e")),
    ]
    assert {item.seconds for item in seen} == {2.0}


def test_a_server_without_executors_names_the_pods_of_the_tasks_themselves():
    (seen,) = seen_tasks(run_of(node("make", "root/0", number=1, pod="own")), ["make"], [])
    assert seen.pods == ("own",)


def test_outcomes_are_matched_by_pod_and_by_name_where_the_pod_was_not_told():
    told = [
        Told("make", "wf-impl-1", 1.0, Outcome("FAILED")),
        Told("make", "wf-impl-2", 2.0, Outcome("SUCCEEDED", reason="second")),
        Told("make", "wf-impl-3", 3.0, Outcome("SUCCEEDED", reason="third")),
        Told("alone", "", 4.0, Outcome("SUCCEEDED", reason="alone")),
        Told("twice", "", 5.0, Outcome("SUCCEEDED", reason="whose?")),
    ]
    pods = {"make": ("wf-1", "wf-2"), "part--make": ("wf-3",), "alone": ("wf-4",), "twice": (), "part--twice": ()}
    found = outcomes_by_name(told, pods)
    assert {name: outcome.reason for name, outcome in found.items()} == {
        "make": "second",
        "part--make": "third",
        "alone": "alone",
    }


def test_what_a_task_said_itself_outlives_the_servers_next_word():
    known = TaskRecord("make", state="CACHED", cached=True, reason="same inputs")
    after = updated(known, SeenTask("make", "SUCCEEDED", ("pod",), "2026", 3.0))
    assert (after.state, after.reason, after.seconds) == ("CACHED", "same inputs", 3.0)
    failed = updated(TaskRecord("make"), SeenTask("make", "FAILED", ("pod",), message="OOMKilled"))
    assert failed.error["seen"] == "OOMKilled"


def record(*tasks: TaskRecord) -> RunRecord:
    return RunRecord("run", "p", "p.py", {}, {}, tasks=tasks, runtime="kubeflow", remote={"run_id": "x", "url": "page"})


def test_a_run_ends_as_the_server_says():
    tasks = (TaskRecord("a", state="SUCCEEDED"), TaskRecord("b", state="RUNNING"), TaskRecord("c"))
    stopped = finished(record(*tasks), run_of(state="CANCELED"), None)
    assert (stopped.state, [task.state for task in stopped.tasks]) == (
        "CANCELLED",
        ["SUCCEEDED", "CANCELLED", "CANCELLED"],
    )
    well = finished(record(tasks[0], tasks[2]), run_of(state="SUCCEEDED"), None)
    assert (well.state, [task.state for task in well.tasks]) == ("SUCCEEDED", ["SUCCEEDED", "SKIPPED"])
    wrong = run_of(state="FAILED")
    wrong.error = SimpleNamespace(message="no node has room")
    failed = finished(record(TaskRecord("a")), wrong, None)
    assert (failed.state, failed.error["seen"], failed.error["exit_code"]) == ("FAILED", "no node has room", 4)


def test_a_run_taken_up_again_keeps_what_went_well():
    tasks = (
        TaskRecord("a", state="CACHED"),
        TaskRecord("b", state="FAILED", error={"x": 1}),
        TaskRecord("c", state="SKIPPED"),
    )
    again = reopened(record(*tasks))
    assert [task.state for task in again.tasks] == ["CACHED", "PENDING", "PENDING"]
    assert (again.state, again.tasks[1].error) == ("RUNNING", {})


def mlflow_run(task: str, number: int, **tags: str) -> Any:
    info = SimpleNamespace(run_id=f"mlflow-{number}")
    data = SimpleNamespace(tags={"intermodal.task": task, **tags}, metrics={"accuracy": 0.5, "intermodal.seconds": 3.0})
    return SimpleNamespace(info=info, data=data)


def test_where_the_store_told_nothing_mlflow_does():
    tasks = (
        TaskRecord("train-it", state="SUCCEEDED"),
        TaskRecord("make", state="SUCCEEDED", artifacts={"data": {"uri": "known"}}),
        TaskRecord("say", state="SKIPPED"),
        TaskRecord("double.0", state="SUCCEEDED"),
        TaskRecord("double.1", state="SUCCEEDED"),
    )
    said = {"intermodal.output.model": '{"uri": "s3://b/model", "digest": "abc"}'}
    runs = [mlflow_run("train_it", 2, **said), mlflow_run("train_it", 1), mlflow_run("make", 3), mlflow_run("say", 4)]
    found = linked(record(*tasks), [*runs, mlflow_run("double", 5)])
    assert {task.name: task.mlflow_run_id for task in found.tasks} == {
        "train-it": "mlflow-2",
        "make": "mlflow-3",
        "say": "",
        "double.0": "",
        "double.1": "",
    }
    trained = found.task("train-it")
    assert (trained.artifacts["model"]["uri"], trained.artifacts["model"]["digest"]) == ("s3://b/model", "abc")
    assert trained.metrics == {"accuracy": 0.5}
    assert found.task("make").artifacts == {"data": {"uri": "known"}}


def test_who_we_are(tmp_path: Path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("from a file\n")
    monkeypatch.setenv("MY_TOKEN", "from a variable")
    monkeypatch.setenv("MY_COOKIE", "session=1")
    settings = KubeflowSettings(host="https://host", token_file=str(file), cookie_env="MY_COOKIE")
    assert headers_of(settings) == {"Authorization": "Bearer from a file", "Cookie": "session=1"}
    file.write_text("rotated")
    assert headers_of(settings)["Authorization"] == "Bearer rotated"
    assert token_of(KubeflowSettings(token_env="MY_TOKEN"))() == "from a variable"
    assert headers_of(KubeflowSettings()) == {}
    with pytest.raises(UsageError, match="not set") as caught:
        cookie_of(KubeflowSettings(cookie_env="NOT_THERE"))
    assert caught.value.next_step == "export NOT_THERE=…"
    with pytest.raises(UsageError, match="token file"):
        token_of(KubeflowSettings(token_file=str(tmp_path / "none")))
    with pytest.raises(UsageError, match="certificate"):
        open_client(KubeflowSettings(host="https://host", ca_file=str(tmp_path / "none")))
    for host in ("", "kubeflow.example.com"):
        with pytest.raises(UsageError) as caught:
            require_host(KubeflowSettings(host=host))
        assert "https://" in caught.value.expected
