"""What a piece of work costs: CPU seconds, wall seconds, peak memory, children included.

Every measurement runs in its own process under a tiny supervisor (this file, run as a script). The
supervisor adopts orphans, so that the CPU time of a Java virtual machine left behind by its Python parent is
counted too, and it is small, because Linux hands a child the peak memory of the process that forked it.

Example::

    from measure import measure
    print(measure([sys.executable, "-c", "print(sum(range(10**7)))"]))
    print(measure(some_module_level_function, "an argument", 3))

or, for any command::

    python benchmarks/measure.py intermodal run pipelines/reviews.py
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import inspect
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.02
_TAIL = 4000
_LONGEST = 86400.0  # seconds that a command typed by a person may take


@dataclass(frozen=True)
class Measurement:
    """What one run cost.

    Attributes:
        cpu_seconds: User and system time of the process and all its descendants.
        wall_seconds: Time from start to the end of the last descendant.
        peak_rss_bytes: Largest resident memory: the exact peak of the biggest process, or the sum over all
            processes as sampled every 20 ms, whichever is larger.
        exit_code: Exit status of the process; negative for a signal; -9 when it ran past `timeout`.
        output: The last 4,000 characters of its standard output and error.
        result: What the measured function returned; None for a command.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_rss_bytes: int
    exit_code: int
    output: str = ""
    result: Any = None


def measure(
    work: Sequence[str] | Callable[..., Any],
    *arguments: Any,
    env: Mapping[str, str] | None = None,
    timeout: float = 600.0,
) -> Measurement:
    """Run `work` in a process of its own and say what it cost.

    Args:
        work: A command, or a module-level function of a source file (not a lambda).
        *arguments: The function's arguments: JSON values. Its result must be one as well.
        env: Variables to set on top of this process's environment.
        timeout: Seconds after which every descendant is killed.

    Returns:
        The cost. A failed run is returned too: look at `exit_code`.
    """
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        report, output, result = (Path(folder, name) for name in ("report.json", "output", "result.json"))
        command = list(work) if not callable(work) else _call_command(work, arguments, result)
        supervise = [sys.executable, "-S", "-E", __file__, "--supervise", str(report), str(timeout), *command]
        with output.open("wb") as stream:
            subprocess.run(supervise, stdout=stream, stderr=stream, env={**os.environ, **(env or {})}, check=False)
        text = output.read_text(errors="replace")[-_TAIL:]
        if not report.exists():
            raise RuntimeError(f"the measuring process itself failed: {text}")
        value = json.loads(result.read_text()) if result.exists() else None
        return Measurement(**json.loads(report.read_text()), output=text, result=value)


def alternate(
    candidates: Mapping[str, Callable[[], Measurement]], rounds: int = 3, warmup: bool = True
) -> dict[str, list[Measurement]]:
    """Measure several candidates in turn, round after round, so that drift of the machine hits all alike.

    Args:
        candidates: Name to a function that measures once.
        rounds: Measurements of each candidate that are kept.
        warmup: Whether to run each once before, unmeasured, to fill the page cache.

    Returns:
        Name to its measurements, in order; every other round runs in reverse order.

    Raises:
        RuntimeError: A candidate exited with an error.
    """
    kept: dict[str, list[Measurement]] = {name: [] for name in candidates}
    for turn in range(-1 if warmup else 0, rounds):
        for name in list(candidates) if turn % 2 == 0 else list(candidates)[::-1]:
            measured = candidates[name]()
            if measured.exit_code:
                raise RuntimeError(f"{name} exited with {measured.exit_code}: {measured.output}")
            if turn >= 0:
                kept[name].append(measured)
    return kept


def summary(measurements: Sequence[Measurement]) -> dict[str, float]:
    """Medians over repeated measurements, and the spread of the CPU seconds."""
    cpu = [item.cpu_seconds for item in measurements]
    return {
        "cpu_seconds": round(statistics.median(cpu), 3),
        "cpu_seconds_min": round(min(cpu), 3),
        "cpu_seconds_max": round(max(cpu), 3),
        "wall_seconds": round(statistics.median(item.wall_seconds for item in measurements), 3),
        "peak_rss_mb": round(statistics.median(item.peak_rss_bytes for item in measurements) / 1e6, 1),
        "runs": len(cpu),
    }


def paired_ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float:
    """Median over the rounds of our CPU seconds divided by theirs in the same round; below 1 is better."""
    pairs = zip(ours, theirs, strict=True)
    return round(statistics.median(mine.cpu_seconds / other.cpu_seconds for mine, other in pairs), 3)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with equal keys as an aligned text table."""
    cells = [list(rows[0]), *[[str(value) for value in row.values()] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _call_command(function: Callable[..., Any], arguments: tuple[Any, ...], result: Path) -> list[str]:
    source = inspect.getsourcefile(function)
    if source is None or "<" in function.__qualname__:
        raise ValueError(f"not a module-level function of a source file: {function!r}")
    call = [sys.executable, __file__, "--call", os.path.abspath(source), function.__qualname__]
    return [*call, json.dumps(arguments), str(result)]


def _call(source: str, name: str, arguments: str, result: str) -> None:
    # The function's file may be the benchmark itself, so it is loaded under a name other than __main__.
    sys.path.insert(0, os.path.dirname(source))
    spec = importlib.util.spec_from_file_location("measured", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["measured"] = module
    spec.loader.exec_module(module)
    value = getattr(module, name)(*json.loads(arguments))
    Path(result).write_text(json.dumps(value))


def _supervise(report: str, timeout: float, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans become our children and are waited for
    started = time.monotonic()
    process = subprocess.Popen(command)
    cpu, largest, summed, exit_code, killed = 0.0, 0, 0, 0, False
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid:
            cpu += usage.ru_utime + usage.ru_stime
            largest = max(largest, usage.ru_maxrss * 1024)
            exit_code = os.waitstatus_to_exitcode(status) if pid == process.pid else exit_code
            continue
        alive = _descendants()
        summed = max(summed, sum(_rss(item) for item in alive))
        if time.monotonic() - started > timeout:
            killed = True
            for item in alive:
                _kill(item)
        time.sleep(_SAMPLE_SECONDS)
    peak, wall = max(largest, summed), time.monotonic() - started
    measured = Measurement(round(cpu, 4), round(wall, 4), peak, -signal.SIGKILL if killed else exit_code)
    fields = {name: value for name, value in asdict(measured).items() if name not in ("output", "result")}
    Path(report).write_text(json.dumps(fields))


def _descendants() -> list[int]:
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parents[int(entry)] = int(text.rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while True:
        grown = {pid for pid, parent in parents.items() if parent in found} - found
        if not grown:
            return sorted(found - {os.getpid()})
        found |= grown


def _rss(pid: int) -> int:
    try:
        return int(Path("/proc", str(pid), "statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _tell(command: list[str]) -> int:
    """Run a command, print its last output and what it cost; its exit code."""
    if not command:
        raise SystemExit("usage: python benchmarks/measure.py COMMAND …")
    cost = measure(command, timeout=_LONGEST)
    peak = cost.peak_rss_bytes / 1e6
    print(f"{cost.output}{cost.cpu_seconds:.1f} CPU seconds, {cost.wall_seconds:.1f} s, at most {peak:,.0f} MB")
    return cost.exit_code


if __name__ == "__main__":
    if sys.argv[1:2] == ["--supervise"]:
        _supervise(sys.argv[2], float(sys.argv[3]), sys.argv[4:])
    elif sys.argv[1:2] == ["--call"]:
        _call(*sys.argv[2:])
    else:
        raise SystemExit(_tell(sys.argv[1:]))
