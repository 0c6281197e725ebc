"""Several processes that train one model together; one process alone is the case of a single rank.

They are made by torchrun, and have found one another before a step's function is called. All hold the same weights:
each computes its share of every batch, and the gradients are averaged. What is added up here is exact, because no two
processes contribute to the same number: so what they rate, or compute once and keep, has the bytes that one process
alone would have made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from intermodal.core.checkpoints import Checkpoint

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Item = TypeVar("Item")
_CHUNK = 1 << 26  # numbers added up at a time


@dataclass(frozen=True)
class Processes:
    """The processes that train together.

    Attributes:
        rank: Number of this one.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one tells and writes for all."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items that are this process' work."""
        return items[self.rank :: self.size] if self.size > 1 else items

    def add_up(self, values: Tensor) -> Tensor:
        """The sum of every process' values, in place."""
        if self.size > 1:
            from torch import distributed

            flat = values.view(-1)
            for start in range(0, len(flat), _CHUNK):
                distributed.all_reduce(flat[start : start + _CHUNK])
        return values

    def add_up_halves(self, values: Tensor) -> Tensor:
        """`add_up` for 16-bit numbers of which all but one process' are zero: their bits are added up.

        Not every backend knows these types, but all know 32-bit integers. The number of values must be even.
        """
        import torch

        self.add_up(values.view(-1).view(torch.int32))
        return values

    def averaging(self, module: nn.Module) -> nn.Module:
        """The module with gradients that are averaged over the processes as they are computed."""
        if self.size == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(module, broadcast_buffers=False)

    def seed(self, seed: int, step: int) -> None:
        """Give this process random numbers of its own for a step; one process alone keeps its sequence.

        They follow from the step, so that a resumed training draws them again without anybody's state.
        """
        if self.size > 1:
            import torch

            torch.manual_seed(((seed * 1_000_003 + step) * 4_099 + self.rank) % 2**63)

    def from_first(self, found: Callable[[], Checkpoint | None]) -> Checkpoint | None:
        """The checkpoint that the first process finds, in every process: they must all go on from the same.

        Args:
            found: Called in the first process only.
        """
        if self.size == 1:
            return found()
        from safetensors.numpy import load, save

        mine = found() if self.is_first else None
        facts = b"" if mine is None else json.dumps([mine.position, mine.facts]).encode()
        told, tensors = self._from_first(facts), self._from_first(b"" if mine is None else save(mine.tensors))
        if not told:
            return None
        position, known = json.loads(told)
        return Checkpoint(int(position), dict(known), load(tensors))

    def _from_first(self, content: bytes) -> bytes:
        import torch
        from torch import distributed

        size = torch.tensor([len(content)])
        distributed.broadcast(size, 0)
        if not int(size):
            return b""
        buffer: torch.Tensor = torch.zeros(int(size), dtype=torch.uint8)
        if self.is_first:
            buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        distributed.broadcast(buffer, 0)
        return bytes(buffer.numpy())


def processes_here() -> Processes:
    """The processes that this one belongs to; itself alone when nobody made a group of them."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return Processes(distributed.get_rank(), distributed.get_world_size())
    return Processes()


def processes_told() -> dict[str, Any]:
    """How many processes train, for a model's description; nothing for one."""
    size = processes_here().size
    return {"processes": size} if size > 1 else {}
