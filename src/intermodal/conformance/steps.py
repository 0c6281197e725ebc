"""Steps of the conformance cases: small, deterministic, and the same in a process, a container and a pod.

`mark` is different in every suite run, so nothing is remembered from an earlier one; it is in no output.
"""

import json
import os
import time
from pathlib import Path

from kfp.dsl import Dataset, Input, Metrics, Output, PipelineTaskFinalStatus

from intermodal.core.step import step
from intermodal.errors import DataRejected
from intermodal.store.locate import open_store

PREFIX = "conformance"  # of the marks that steps leave in the store
_BEAT_SECONDS = 0.2


@step()
def numbers(data: Output[Dataset], n: int = 10, mark: str = "") -> None:
    """Write the numbers below n, one a line, as one file.

    Args:
        data: The numbers.
        n: How many.
        mark: Mark of the suite run.
    """
    Path(data.path).write_text("".join(f"{number}\n" for number in range(n)))
    data.metadata["rows"] = n


@step()
def spread(data: Input[Dataset], parts: Output[Dataset], files: int = 3, mark: str = "") -> None:
    """Deal lines out into several files of a directory.

    Args:
        data: The lines.
        parts: A directory of files.
        files: How many.
        mark: Mark of the suite run.
    """
    lines = Path(data.path).read_text().splitlines()
    for number in range(files):
        path = Path(parts.path) / f"part={number}" / "lines.txt"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{line}\n" for line in lines[number::files]))


@step()
def total(parts: Input[Dataset], metrics: Output[Metrics], mark: str = "") -> int:
    """Add up every number in a file or a directory.

    Args:
        parts: The numbers.
        metrics: The sum.
        mark: Mark of the suite run.

    Returns:
        The sum.
    """
    root = Path(parts.path)
    files = sorted(root.rglob("*.txt")) if root.is_dir() else [root]
    found = sum(int(line) for path in files for line in path.read_text().split())
    metrics.log_metric("total", found)
    return found


@step()
def merge(parts: Input[list[Dataset]], merged: Output[Dataset], mark: str = "") -> int:
    """Put several files into one, sorted.

    Args:
        parts: The files.
        merged: All their lines.
        mark: Mark of the suite run.

    Returns:
        How many files there were.
    """
    lines = sorted(line for part in parts for line in Path(part.path).read_text().splitlines())
    Path(merged.path).write_text("".join(f"{line}\n" for line in lines))
    return len(parts)


@step()
def double(value: int, mark: str = "") -> int:
    """Twice the value.

    Args:
        value: A number.
        mark: Mark of the suite run.
    """
    return 2 * value


@step()
def add(values: list[int], mark: str = "") -> int:
    """The sum of a list.

    Args:
        values: The list.
        mark: Mark of the suite run.
    """
    return sum(values)


@step()
def say(text: str, mark: str = "") -> str:
    """Print and return a text.

    Args:
        text: The text.
        mark: Mark of the suite run.
    """
    print(text)
    return text


@step()
def shout(text: str, mark: str = "") -> str:
    """A text in capitals.

    Args:
        text: The text.
        mark: Mark of the suite run.
    """
    return text.upper()


@step()
def reject(mark: str = "") -> str:
    """Refuse the data.

    Args:
        mark: Mark of the suite run.
    """
    raise DataRejected("the data is refused on purpose", seen=mark, expected="nothing", next_step="nothing")


@step()
def flaky(mark: str, failures: int) -> int:
    """Fail the first times; attempts are counted in the store, where every runtime sees them.

    Args:
        mark: Mark of the suite run.
        failures: How many attempts fail.

    Returns:
        How many failed.
    """
    store = open_store(os.environ["INTERMODAL_STORE"])
    attempt = 0
    while not store.write(f"{PREFIX}/{mark}/attempt-{attempt}", b"", only_if_absent=True):
        attempt += 1
    if attempt < failures:
        raise OSError(f"attempt {attempt} fails on purpose")
    return attempt


@step()
def wait(mark: str, seconds: float = 120.0) -> float:
    """Leave a mark in the store again and again, so that others see whether it still runs.

    Args:
        mark: Mark of the suite run.
        seconds: For how long, unless it is stopped.

    Returns:
        For how long.
    """
    store = open_store(os.environ["INTERMODAL_STORE"])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        store.write(f"{PREFIX}/{mark}/beat", str(time.time()).encode())
        time.sleep(_BEAT_SECONDS)
    return seconds


@step()
def closing(status: PipelineTaskFinalStatus, mark: str = "") -> str:
    """Say how the tasks that it closes ended.

    Args:
        status: Filled in by Kubeflow.
        mark: Mark of the suite run.

    Returns:
        Their state.
    """
    return status.state


@step()
def kinds(
    text: str,
    number: int,
    share: float,
    flag: bool,
    items: list[int],
    options: dict[str, float],
    mark: str = "",
) -> str:
    """Say exactly what arrived, types included.

    Args:
        text: A text.
        number: A whole number.
        share: A number.
        flag: True or false.
        items: A list.
        options: A mapping.
        mark: Mark of the suite run.

    Returns:
        All of it as JSON.
    """
    return json.dumps([text, number, share, flag, items, options], sort_keys=True)
