"""`intermodal cancel`: stop a run that another process started, or that goes on in a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from intermodal.cli.main import new_parser
from intermodal.cli.present import finish
from intermodal.errors import EXIT_DONE


def main(arguments: Sequence[str]) -> int:
    """Stop a run, and wait until it has stopped.

    Args:
        arguments: The words after the verb.

    Returns:
        0 when it has stopped.
    """
    parser = new_parser("cancel")
    parser.add_argument("run", help="the run, or the start of its name")
    options = parser.parse_args(arguments)
    from intermodal.core.config import load_settings
    from intermodal.runtime.base import open_runtime
    from intermodal.runtime.record import find_record

    settings = load_settings()
    record = find_record(settings.runs, options.run)
    finish(open_runtime(record.runtime, settings).cancel(record), settings, as_json=options.json)
    return EXIT_DONE
