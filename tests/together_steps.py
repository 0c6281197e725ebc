"""Steps whose work several processes share, for tests: they learn, fail or are killed where they are told to."""

from kfp.dsl import Dataset, Output

from intermodal.core.step import step


@step(job="training", parallel="processes")
def meet(found: Output[Dataset], fails: int = -1, killed: int = -1) -> None:
    """Write who was there; the process `fails` raises, the process `killed` is killed.

    Args:
        found: The sum of all ranks.
        fails: Rank that raises; -1 for none.
        killed: Rank that is killed; -1 for none.
    """
    import os
    import signal
    from pathlib import Path

    import torch
    from torch import distributed

    rank = distributed.get_rank()
    if rank == fails:
        raise ValueError(f"rank {rank} read a bad row")
    if rank == killed:
        os.kill(os.getpid(), signal.SIGKILL)
    total = torch.tensor([float(rank)])
    distributed.all_reduce(total)
    Path(found.path).write_text(f"{total.item():.0f} of {distributed.get_world_size()}")


@step()
def alone(found: Output[Dataset]) -> None:
    """A step that one process does.

    Args:
        found: Made.
    """
    from pathlib import Path

    Path(found.path).write_text("alone")


@step(sources=("checkpoint",))
def tiny(features: Output[Dataset], checkpoint: str) -> None:
    """Features of a tiny checkpoint.

    Args:
        features: Made.
        checkpoint: Its directory.
    """
    from pathlib import Path

    from tiny_models import save_features

    made = save_features(Path(features.path), Path(checkpoint), rows=200)
    features.metadata.update(made.metadata)
