"""`intermodal report`: write a run's report page."""

from __future__ import annotations

import json
from collections.abc import Sequence

from intermodal.cli.main import new_parser
from intermodal.errors import RuntimeFailed


def main(arguments: Sequence[str]) -> int:
    """Write the page of a run anew, and say where it is.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        RuntimeFailed: It could not be drawn.
    """
    parser = new_parser("report")
    parser.add_argument("run", nargs="?", default="", help="the run, or the start of its name; the newest by default")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    options = parser.parse_args(arguments)
    from intermodal.core.config import load_settings
    from intermodal.runtime.record import find_record
    from intermodal.runtime.report import write_report

    settings = load_settings()
    record = find_record(settings.runs, options.run)
    page = write_report(record, settings)
    if page is None:
        why = (settings.runs / record.run_id / "report-error.txt").read_text().strip()
        raise RuntimeFailed(f"the report of {record.run_id} could not be drawn", seen=why)
    print(json.dumps({"run_id": record.run_id, "report": str(page)}) if options.json else page)
    if options.open:
        import webbrowser

        webbrowser.open(page.as_uri())
    return 0
