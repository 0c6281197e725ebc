"""The process of one run: what Argo's controller does for a pipeline on a cluster.

It is told about the run through standard input, writes `progress.json` and at the end `ended.json` into
the run's folder, stops its pods on SIGTERM, and dies with the server.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from intermodal.core.child import die_with
from intermodal.errors import Interrupted
from intermodal.runtime.kubeflow.fake.attempts import Attempts, Job
from intermodal.runtime.kubeflow.fake.conductor import Conductor
from intermodal.runtime.kubeflow.fake.faults import POD_FAULTS, PodFaults
from intermodal.runtime.kubeflow.fake.options import CONTAINER, FakeOptions
from intermodal.runtime.kubeflow.fake.pods import LocalPods, Pods
from intermodal.runtime.kubeflow.fake.progress import CANCELED, ENDED, FAILED, RUNNING, SUCCEEDED, Progress
from intermodal.runtime.kubeflow.fake.tracking import NativeTracking, NoTracking
from intermodal.runtime.local.hooks import Labels, orchestrated, run_pipeline
from intermodal.runtime.local.patching import replaced
from intermodal.runtime.outcome import write_atomically


def main() -> int:
    """Conduct the run that standard input tells about."""
    told = json.load(sys.stdin)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which then stops its runs in order
    die_with(told["parent"])  # the server, even when it is killed by kill -9; its pods end with it in the same way
    options = FakeOptions.from_pipe(told["options"])
    folder = options.runs / told["job"]["run_id"]
    job = Job(**told["job"], options=options)
    progress = Progress(folder, job.workflow)
    state, error = FAILED, ""
    try:
        tracking = _tracking(told, options, progress)
        state, error = _conduct(job, told, progress, tracking, folder)
        tracking.close({SUCCEEDED: "FINISHED", FAILED: "FAILED"}.get(state, "KILLED"))
    except Exception as raised:  # whatever it is, the run must end, and say so
        error = f"{type(raised).__name__}: {raised}"
    progress.close(state, error)
    write_atomically(folder / ENDED, json.dumps({"state": state, "error": error}))
    return 0


def _conduct(job: Job, told: dict[str, Any], progress: Progress, tracking: NoTracking, folder: Path) -> tuple[str, str]:
    """Run all tasks; the run's state, and why it failed."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec = json_format.ParseDict(told["spec"], pipeline_spec_pb2.PipelineSpec())
    labels, pods = Labels(), _pods(job.options, job.run_id)
    attempts = Attempts(job, pods, progress, PodFaults(job.options.home / POD_FAULTS), tracking)
    conductor = Conductor(attempts, progress, labels, job.options)
    progress.move("root-driver", SUCCEEDED, "system-dag-driver")
    progress.move("root", RUNNING)
    well, stopped = False, False
    try:
        with _stoppable(attempts, pods), orchestrated(conductor.run_task, labels), _noted(conductor):
            well = run_pipeline(spec, told["arguments"], folder / "kfp")
    except (KeyboardInterrupt, Interrupted):
        stopped = True
    if stopped or attempts.stopped:
        pods.stop()
        return CANCELED, ""
    conductor.close(spec.root.dag, "root", SUCCEEDED if well else FAILED)
    return (SUCCEEDED, "") if well else (FAILED, "\n".join(progress.failures()))


@contextlib.contextmanager
def _noted(conductor: Conductor) -> Iterator[None]:
    """Let the conductor hear of DAGs and importers, which kfp.local runs itself."""
    from kfp.local import importer_handler
    from kfp.local.orchestrator import enhanced_dag_orchestrator as loops

    changes: list[tuple[Any, str, Any]] = [
        (loops, "execute_task", conductor.entering(loops.execute_task)),
        (importer_handler, "run_importer", conductor.importing(importer_handler.run_importer)),
    ]
    with replaced(changes):
        yield


def _pods(options: FakeOptions, run_id: str) -> Pods:
    if options.tasks == CONTAINER:
        from intermodal.runtime.kubeflow.fake.containers import ContainerPods

        return ContainerPods(options, run_id)
    return LocalPods(options)


def _tracking(told: dict[str, Any], options: FakeOptions, progress: Progress) -> NoTracking:
    if not options.mlflow:
        return NoTracking()
    return NativeTracking(options.mlflow, told["experiment"], told["run"], progress)


@contextlib.contextmanager
def _stoppable(attempts: Attempts, pods: Pods) -> Iterator[None]:
    """SIGTERM stops the pods, then the run; once is enough."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not attempts.stopped:
            attempts.stopped = True
            pods.terminate()
            if not pods.starting:  # else it is told to stop as soon as it is known, and the run ends after it
                raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
