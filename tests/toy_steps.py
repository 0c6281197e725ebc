"""Small steps for tests: every type a signature can have, and every way a step can end."""

# ruff: noqa: UP006, UP035, UP045  KFP's documentation spells its types so; it does not know `X | None`
import json
import os
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    Metrics,
    Model,
    Output,
    PipelineTaskFinalStatus,
)

from intermodal.core.step import step
from intermodal.errors import DataRejected


class Summary(NamedTuple):
    """Several plain values."""

    total: int
    mean: float
    label: str


@step()
def make(data: Output[Dataset], n: int = 3, seconds: float = 0.0):
    """Write the numbers below n, one a line, as a single file.

    Args:
        data: The numbers.
        n: How many.
        seconds: How long to take.
    """
    print(f"making {n} numbers")
    time.sleep(seconds)
    Path(data.path).write_text("".join(f"{number}\n" for number in range(n)))
    data.metadata["rows"] = n


@step()
def spread(data: Input[Dataset], parts: Output[Dataset], files: int = 4, seconds: float = 0.0):
    """Copy the numbers into several files of a directory, subdirectories included.

    Args:
        data: The numbers.
        parts: A directory of files.
        files: How many files.
        seconds: How long to take, spread over the files.
    """
    lines = Path(data.path).read_text().splitlines()
    for number in range(files):
        target = Path(parts.path) / f"part={number % 2}" / f"{number}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines[number::files]) + "\n")
        time.sleep(seconds / files)


@step()
def total(parts: Input[Dataset], metrics: Output[Metrics], seconds: float = 0.0) -> int:
    """Add up every number in a file or directory.

    Args:
        parts: The numbers.
        metrics: The sum.
        seconds: How long to take.

    Returns:
        The sum.
    """
    root = Path(parts.path)
    files = sorted(root.rglob("*.txt")) if root.is_dir() else [root]
    found = sum(int(line) for file in files for line in file.read_text().split())
    time.sleep(seconds)
    metrics.log_metric("total", found)
    return found


@step()
def merge(parts: Input[List[Dataset]], merged: Output[Dataset]) -> int:
    """Put several files into one.

    Args:
        parts: The files.
        merged: All their lines.

    Returns:
        How many files.
    """
    Path(merged.path).write_text("".join(Path(item.path).read_text() for item in parts))
    return len(parts)


@step()
def say(text: str = "hello") -> str:
    """Print and return a text."""
    print(text)
    return text


@step()
def double(value: int) -> int:
    """Twice the value."""
    return 2 * value


@step()
def add(values: List[int]) -> int:
    """The sum of a list."""
    return sum(values)


@step()
def note(text: str, page: Output[HTML]):
    """Write a page."""
    Path(page.path).write_text(f"<p>{text}</p>")


@step()
def summarise(values: List[float], options: Dict[str, float], label: str = "") -> Summary:
    """Several plain values at once."""
    return Summary(len(values), sum(values) / len(values) * options.get("scale", 1.0), label)


@step()
def maybe(data: Optional[Input[Dataset]] = None, label: Optional[str] = None) -> str:
    """Say what was given."""
    return f"{'data' if data else 'no data'}, {label}"


@step()
def judged(classification: Output[ClassificationMetrics], metrics: Output[Metrics]):
    """Write no file at all, only metadata."""
    classification.log_confusion_matrix(["a", "b"], [[3, 1], [0, 4]])
    metrics.log_metric("accuracy", 0.875)


@step()
def closing(status: PipelineTaskFinalStatus, folder: str = "") -> str:
    """Say how the pipeline ended, for an exit handler; leaves a file in `folder` too."""
    text = f"{status.pipeline_task_name} {status.state}"
    if folder:
        (Path(folder) / "closing.txt").write_text(text)
    return text


@step()
def fail(message: str = "no", lines: int = 1, after: int = 0) -> str:
    """Print some lines, then raise."""
    for number in range(lines):
        print(f"line {number}")
    raise ValueError(message)


@step()
def flaky(folder: str, failures: int) -> int:
    """Fail the first times; each attempt leaves a file in `folder`."""
    attempt = len(list(Path(folder).glob("attempt-*")))
    (Path(folder) / f"attempt-{attempt}").touch()
    if attempt < failures:
        raise OSError(f"attempt {attempt} fails")
    return attempt


@step()
def reject(text: str = "five"):
    """Refuse the data."""
    raise DataRejected("a rating is not a number", seen=text, expected="1 to 5", next_step="mend the file")


@step()
def leave(code: int = 3):
    """End the process behind everyone's back."""
    raise SystemExit(code)


@step()
def vanish():
    """Be killed, as the kernel kills what takes too much memory."""
    os.kill(os.getpid(), 9)


@step()
def silent(data: Output[Dataset]):
    """Promise an output, and write none."""


@step()
def forgetful() -> int:
    """Promise a value, and return none."""


@step()
def wait(folder: str, seconds: float = 600.0) -> int:
    """Leave the process number in `folder`, then wait, until there is a file `enough` beside it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "waiting").write_text(str(os.getpid()))
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (Path(folder) / "enough").exists():
        time.sleep(0.05)
    return os.getpid()


@step()
def stubborn(folder: str, seconds: float = 600.0) -> int:
    """Like `wait`, but swallow every ordinary exception, SIGTERM's included."""
    end = time.monotonic() + seconds
    (Path(folder) / "waiting").write_text(str(os.getpid()))
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except Exception:
            print("never mind")
    return 1


@step()
def fill(data: Output[Dataset], megabytes: int = 1):
    """Write a file of a given size."""
    with open(data.path, "wb") as stream:
        for _ in range(megabytes):
            stream.write(os.urandom(1 << 20))


@step()
def stop_here(value: int = 7) -> int:
    """Stop in the debugger, with a local variable to look at."""
    secret = value * 6
    breakpoint()  # noqa: T100
    return secret


@step(sources=("source",))
def count_lines(source: str = "") -> int:
    """Count the lines of a file outside the store."""
    return len(Path(source).read_text().splitlines())


@step()
def link(data: Input[Dataset], copy: Output[Dataset], tree: Output[Artifact]):
    """Make outputs that are only links to the input."""
    os.symlink(data.path, copy.path)
    os.makedirs(Path(tree.path) / "inner")
    os.symlink(data.path, Path(tree.path) / "inner" / "linked.txt")
    os.symlink(Path(tree.path) / "inner", Path(tree.path) / "again")


@step()
def train(data: Input[Dataset], model: Output[Model], rate: float = 0.1) -> float:
    """A model, as JSON."""
    os.makedirs(model.path)
    (Path(model.path) / "model.json").write_text(json.dumps({"rate": rate, "lines": Path(data.path).read_text()}))
    return rate


def not_a_step(n: int) -> int:
    """A plain function."""
    return n


class Found(NamedTuple):
    """Values with names of their own."""

    items: list
    count: int
    rate: float
    text: str


@step()
def find(text: str = "it's") -> Found:
    """Several named values, a list among them."""
    return Found([7, 8], 3, 0.5, text)


@step()
def pair(first: int, second: int = 0, row: List[int] = []) -> str:  # noqa: B006  a default as KFP writes it
    """The values as text, to see which one came from where."""
    return f"{first} {second} {row}"


@step()
def undefined(metrics: Output[Metrics], value: bool = False) -> float:
    """A metric that is not defined; and, when asked, such a value."""
    metrics.log_metric("defined", 0.5)
    metrics.log_metric("undefined", float("nan"))
    return float("inf") if value else 1.0


@step()
def half_done(data: Output[Dataset]):
    """Write half of an output, then refuse the data."""
    Path(data.path).write_text("half")
    raise DataRejected("the other half is missing")


@step()
def whereabouts(number: int) -> str:
    """The task that the environment names, read twice with a pause between."""
    before = os.environ["INTERMODAL_TASK"]
    print(f"iteration {number}")
    time.sleep(0.05)
    return f"{before} {os.environ['INTERMODAL_TASK']}"
