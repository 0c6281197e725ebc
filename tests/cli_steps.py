"""Steps of the pipeline in `cli_pipelines.py`."""

from pathlib import Path

from kfp.dsl import Dataset, Input, Metrics, Output

from intermodal import step


@step(sources=("source",))
def read_lines(lines: Output[Dataset], source: str = "", least: int = 0):
    """Copy the lines of a file from outside, one file a line.

    Args:
        lines: A directory with one file for each line.
        source: The file.
        least: Leave shorter lines out.
    """
    for number, line in enumerate(Path(source).read_text().splitlines()):
        target = Path(lines.path) / f"part={number % 2}" / f"{number}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        if len(line) >= least:
            target.write_text(line + "\n")
    lines.metadata["rows"] = number + 1
    print(f"read {number + 1} lines")


@step()
def measure(lines: Input[Dataset], again: Input[Dataset], lengths: Output[Dataset], metrics: Output[Metrics]):
    """Measure every line, twice over.

    Args:
        lines: The lines.
        again: The same lines.
        lengths: A single file with a length a line.
        metrics: The number of lines.
    """
    files = sorted(Path(lines.path).rglob("*.txt")) + sorted(Path(again.path).rglob("*.txt"))
    Path(lengths.path).write_text("".join(f"{len(item.read_text())}\n" for item in files))
    metrics.log_metric("lines", len(files))
    print("measured")
