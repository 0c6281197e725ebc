"""Steps for tests on a local SageMaker; each leaves a mark outside of every store each time it really runs."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from intermodal.core.step import step


def _mark(marks: str, name: str) -> None:
    """One more line in a file that everybody appends to."""
    import os

    if marks:
        descriptor = os.open(f"{marks}/{name}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(descriptor, b"ran\n")
        os.close(descriptor)


def _work(marks: str, name: str, seconds: float) -> None:
    """Take so long, or until somebody says that it is enough: see `sagemaker_runs.enough`."""
    import os
    import time

    until = time.monotonic() + seconds
    while time.monotonic() < until and not (marks and os.path.exists(f"{marks}/{name}.enough")):
        time.sleep(min(0.05, max(0.0, until - time.monotonic())))


@step()
def count(numbers: Output[Dataset], seed: int, marks: str = "", seconds: float = 0.0) -> None:
    """Write some numbers, slowly.

    Args:
        numbers: One number a line.
        seed: The first one.
        marks: Folder for the marks of every execution.
        seconds: How long it takes at most.
    """
    from pathlib import Path

    from intermodal.core.events import log_metric

    _mark(marks, f"count-{seed}")
    for turn in range(5):
        log_metric("turn", turn + seed, turn)
        _work(marks, f"count-{seed}", seconds / 5)
    Path(numbers.path).write_text("".join(f"{seed + index}\n" for index in range(100)))


@step(job="training")
def add_up(
    numbers: Input[Dataset], model: Output[Model], metrics: Output[Metrics], marks: str = "", seconds: float = 0.0
) -> None:
    """Add numbers up, a few at a time, going on from where a checkpoint says.

    Args:
        numbers: One number a line.
        model: `sum.txt`.
        metrics: The sum.
        marks: Folder for the marks of every execution.
        seconds: How long it takes from the beginning, at most.
    """
    import json
    import os
    from pathlib import Path

    lines = [int(line) for line in Path(numbers.path).read_text().split()]
    _mark(marks, f"add_up-{lines[0]}")
    kept = Path(os.environ.get("INTERMODAL_CHECKPOINTS") or "/nowhere") / "state.json"
    total, first = json.loads(kept.read_text()) if kept.is_file() else (0, 0)
    for start in range(first, 100, 20):
        total += sum(lines[start : start + 20])
        _work(marks, f"add_up-{lines[0]}", seconds / 5)
        if kept.parent.is_dir():
            partial = kept.with_name(".state.json.partial")
            partial.write_text(json.dumps([total, start + 20]))
            os.replace(partial, kept)
    Path(model.path).mkdir()
    (Path(model.path) / "sum.txt").write_text(f"{total}\n")
    metrics.log_metric("total", total)


@step()
def unlock(opened: Output[Dataset], token: str = "") -> None:
    """Write how long a secret is.

    Args:
        opened: A number.
        token: The secret.
    """
    from pathlib import Path

    Path(opened.path).write_text(f"{len(token)}\n")
