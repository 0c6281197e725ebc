"""A step that says it needs Spark, for tests: it does its little work in the driver, and leaves a mark when it runs."""

from kfp.dsl import Dataset, Input, Metrics, Output

from intermodal.core.step import step


@step(image="spark")
def square(
    numbers: Input[Dataset], squares: Output[Dataset], metrics: Output[Metrics], marks: str = "", seconds: float = 0.0
) -> None:
    """Square numbers, slowly.

    Args:
        numbers: One number a line.
        squares: Their squares.
        metrics: Their sum.
        marks: Folder for the marks of every execution.
        seconds: How long it takes at most: a file `square.enough` in the folder of the marks ends it.
    """
    import os
    import time
    from pathlib import Path

    from intermodal.core.events import log_metric

    if marks:
        (Path(marks) / f"square-{os.getpid()}").write_text("ran\n")
    print("the driver speaks")
    until = time.monotonic() + seconds
    while time.monotonic() < until and not (marks and (Path(marks) / "square.enough").exists()):
        time.sleep(min(0.05, max(0.0, until - time.monotonic())))
    lines = [int(line) ** 2 for line in Path(numbers.path).read_text().split()]
    log_metric("sum", sum(lines), 1)
    Path(squares.path).write_text("".join(f"{line}\n" for line in lines))
    metrics.log_metric("total", sum(lines))
