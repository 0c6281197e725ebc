"""`intermodal resume`: continue a run that was interrupted or failed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from intermodal.cli.main import new_parser
from intermodal.cli.present import finish, observer_for
from intermodal.cli.run import add_interrupt_flag
from intermodal.errors import UsageError


def main(arguments: Sequence[str]) -> int:
    """Run a pipeline again under the same run; finished tasks are taken from the cache.

    Args:
        arguments: The words after the verb.

    Returns:
        The exit code of the run.
    """
    parser = new_parser("resume")
    parser.add_argument("run", nargs="?", default="", help="the run, or the start of its name; the newest by default")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the result, and why a task failed")
    add_interrupt_flag(parser)
    options = parser.parse_args(arguments)
    from intermodal.core.attempt import machine_mark
    from intermodal.core.config import load_settings
    from intermodal.runtime.base import RunRequest, open_runtime
    from intermodal.runtime.pipeline import load_pipeline
    from intermodal.runtime.record import RUNNING, find_record

    settings = load_settings()
    record = find_record(settings.runs, options.run)
    # Of a run that is being created just now a second process would create another one.
    creating = not record.remote.get("run_id") and record.process_lives and record.machine == machine_mark()
    if record.state == RUNNING and (creating or not (record.abandoned or record.remote)):
        raise UsageError(
            "this run is still going on",
            seen=f"process {record.process}",
            next_step=f"intermodal status {record.run_id}",
        )
    if record.reference.startswith("step:"):
        words = " ".join(f"--{name} {value}" for name, value in record.arguments.items())
        words += f" --on {record.runtime}" if record.runtime != "local" else ""
        name = record.reference.removeprefix("step:")
        raise UsageError("a single step is not resumed but run again", next_step=f"intermodal step {name} {words}")
    if record.directory and os.path.isdir(record.directory):
        os.chdir(record.directory)
    pipeline = load_pipeline(record.reference)
    request = RunRequest(
        pipeline, record.arguments, mode=record.mode, resume=record.run_id, on_interrupt=options.on_interrupt
    )
    observer = observer_for(as_json=options.json, quiet=options.quiet)
    return finish(open_runtime(record.runtime, settings).run(request, observer), settings, as_json=options.json)
