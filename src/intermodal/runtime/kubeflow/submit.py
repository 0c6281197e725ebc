"""A run created exactly once, even when the connection breaks while it is created.

The server knows no token of its own that would tell two requests from one made twice. So the run bears
the name of our record, which no other run has; whoever does not know whether the run was created looks
for that name before asking again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from intermodal.errors import RuntimeFailed
from intermodal.runtime.compiled import Rendered
from intermodal.runtime.kubeflow.patience import Lost
from intermodal.runtime.kubeflow.server import Server

_LOOKS = 4  # a request whose answer was lost may still be at work when we look for its effect
_PAUSE = 0.5  # seconds before the first look; twice as long each time


@dataclass(frozen=True)
class Submission:
    """A pipeline version and what it is to be run with.

    Attributes:
        name: Name of the run, which no other has.
        experiment_id: Experiment on the server.
        pipeline_id: Pipeline on the server.
        version_id: Its version.
        arguments: Pipeline arguments.
    """

    name: str
    experiment_id: str
    pipeline_id: str
    version_id: str
    arguments: dict[str, Any]


def prepare(server: Server, rendered: Rendered, name: str, arguments: dict[str, Any]) -> Submission:
    """Make sure that experiment, pipeline and version are on the server.

    Args:
        server: The server.
        rendered: What is to be run.
        name: Name of the run.
        arguments: Pipeline arguments.

    Raises:
        RuntimeFailed: The server refused, or gave no answer.
    """
    experiment = server.experiment(server.settings.experiment)
    pipeline, version = server.pipeline(rendered)
    return Submission(name, experiment, pipeline, version, arguments)


def create_once(server: Server, submission: Submission, *, asked: bool = False) -> Any:
    """Create the run, unless it is there already.

    Args:
        server: The server.
        submission: What is to be run.
        asked: Whether somebody may have asked for it already, and was killed before there was an answer.

    Returns:
        The server's run.

    Raises:
        RuntimeFailed: The server refused, or gave no answer for too long.
    """
    name, experiment = submission.name, submission.experiment_id
    found = look_for(server, name, experiment) if asked else server.runs_named(name, experiment)
    if found:
        return found[0]
    patience, began, again = server.patience, server.patience.clock(), False
    while True:
        try:
            made = server.create_run(_body(server, submission))
            return (look_for(server, name, experiment) or [made])[0] if again else made
        except Lost as lost:
            found, again = look_for(server, name, experiment), True
            if found:
                return found[0]
            if patience.clock() - began > patience.seconds:
                raise _gave_up(server, submission, lost) from lost


def look_for(server: Server, name: str, experiment: str) -> list[Any]:
    """Runs of that name, looked for several times; should there be two after all, the later one is stopped.

    Args:
        server: The server.
        name: Name of the run.
        experiment: Experiment on the server.

    Returns:
        The runs, oldest first: none when the server has none for some seconds.

    Raises:
        RuntimeFailed: The server refused, or gave no answer for too long.
    """
    pause = _PAUSE
    for _ in range(_LOOKS):
        server.patience.sleep(pause)
        found = server.runs_named(name, experiment)
        for twin in found[1:]:
            server.terminate(twin.run_id)
        if found:
            return found
        pause *= 2
    return []


def _body(server: Server, submission: Submission) -> Any:
    import kfp_server_api

    reference = kfp_server_api.V2beta1PipelineVersionReference(
        pipeline_id=submission.pipeline_id, pipeline_version_id=submission.version_id
    )
    config = kfp_server_api.V2beta1RuntimeConfig(
        parameters=submission.arguments, pipeline_root=server.settings.pipeline_root or None
    )
    return kfp_server_api.V2beta1Run(
        experiment_id=submission.experiment_id,
        display_name=submission.name,
        description=f"intermodal {submission.name}",
        pipeline_version_reference=reference,
        runtime_config=config,
        service_account=server.settings.service_account or None,
    )


def _gave_up(server: Server, submission: Submission, lost: Lost) -> RuntimeFailed:
    return RuntimeFailed(
        "nobody knows whether the run was created: the connection broke, and no run of that name was found",
        seen=lost,
        expected=f"an answer of {server.settings.host}",
        next_step=f"intermodal resume {submission.name}, which looks for it first",
    )
