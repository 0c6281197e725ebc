"""Seeded runs in which something goes wrong: no job started twice, none left running, nothing lost, MLflow true.

`INTERMODAL_FAULT_RUNS` says how many, 40 by default; `make faults` goes through 200. The figures stand in the output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from launching import TESTS

RUNS = int(os.environ.get("INTERMODAL_FAULT_RUNS", "40"))
PARTS = 4  # so that test processes side by side share the work
_SECONDS = 30  # for each run, on a busy machine


@pytest.mark.timeout(60 + _SECONDS * RUNS)
@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_goes_wrong_no_job_is_doubled_or_left_and_nothing_is_lost(
    part: int, tmp_path: Path, record_property: Callable[[str, object], None]
):
    first, last = part * RUNS // PARTS, (part + 1) * RUNS // PARTS - 1
    words = [
        sys.executable,
        str(TESTS / "sagemaker_campaign.py"),
        str(first),
        str(last),
        "--folder",
        str(tmp_path / "all"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60 + _SECONDS * RUNS)
    assert done.stdout, done.stderr[-3000:]
    figures = json.loads(done.stdout)
    record_property("figures", f"fault runs {first} to {last}: {json.dumps(figures)}")
    assert figures["wrong"] == []
    assert sum(figures["runs"].get(kind, 0) for kind in _kinds()) == last - first + 1
    assert figures["jobs"] >= last - first + 1
    assert figures["killed"] > 0
    if last - first >= 24:  # of so many, some meet each case
        assert figures["renewed"] > 0
        assert figures["adopted"] > 0


def _kinds() -> tuple[str, ...]:
    from sagemaker_campaign import KINDS

    return KINDS
