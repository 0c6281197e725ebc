"""Steps for tests of what a training job offers: each leaves a mark of what it found, outside of every store."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from intermodal.core.step import step


@step()
def parts(data: Output[Dataset], files: int = 4) -> None:
    """Write numbers into several files.

    Args:
        data: part-0.txt and so on, ten numbers each.
        files: How many.
    """
    from pathlib import Path

    folder = Path(data.path)
    folder.mkdir()
    for number in range(files):
        lines = [f"{10 * number + index}\n" for index in range(10)]
        (folder / f"part-{number}.txt").write_text("".join(lines))


def _note(data: str, marks: str, made: str) -> None:
    """Leave the names of the files that this host was given; the first host says how many hosts there are."""
    from pathlib import Path

    from intermodal.core.hosts import hosts_here

    hosts, names = hosts_here(), sorted(item.name for item in Path(data).iterdir())
    if marks:
        Path(marks, f"{Path(made).name}-{hosts.current}").write_text(" ".join(names))
    Path(made).write_text(f"{len(hosts.names)}\n")


@step(job="training", parallel="hosts")
def share(data: Input[Dataset], shares: Output[Dataset], marks: str = "") -> None:
    """Note which files this host of a training job was given.

    Args:
        data: As `parts` makes it; each host has some of it.
        shares: How many hosts there were.
        marks: Folder for a file by each host.
    """
    _note(data.path, marks, shares.path)


@step(parallel="hosts")
def divide(data: Input[Dataset], divided: Output[Dataset], marks: str = "") -> None:
    """Note which files this host of a processing job was given.

    Args:
        data: As `parts` makes it; each host has some of it.
        divided: How many hosts there were.
        marks: Folder for a file by each host.
    """
    _note(data.path, marks, divided.path)


@step(job="training")
def learn(data: Input[Dataset], model: Output[Model], metrics: Output[Metrics], marks: str = "") -> None:
    """Tell two curves whose names end alike, also to TensorBoard, and tensors where the debugger asks for them.

    Args:
        data: As `parts` makes it.
        model: The sum of all numbers.
        metrics: The last losses.
        marks: Folder for what the job was told of its profiler; nowhere when empty.
    """
    from pathlib import Path

    from intermodal.core.events import log_metric
    from intermodal.text.event_files import EventFiles

    events = EventFiles.here()
    for turn in range(3):
        for name, value in (("val_loss", 8.0 - turn), ("loss", 4.0 - turn)):
            log_metric(name, value, turn)
            if events:
                events.add(name, turn, value)
    if events:
        events.close()
    config = Path("/opt/ml/input/config")
    if (config / "profilerconfig.json").is_file():
        Path(marks, "profiler.json").write_text((config / "profilerconfig.json").read_text())
    if (config / "debughookconfig.json").is_file():
        Path("/opt/ml/output/tensors/collections.json").write_text("{}")
    total = sum(int(line) for item in sorted(Path(data.path).glob("*.txt")) for line in item.read_text().split())
    Path(model.path).mkdir()
    Path(model.path, "sum.txt").write_text(f"{total}\n")
    metrics.log_metric("loss", 2.0)
