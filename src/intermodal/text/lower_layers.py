"""What the frozen lower layers say of each row: computed once and kept, or computed each time.

A frozen layer gives a row the same answer in every epoch, so the answers are kept in memory as long as they fit; the
layers above then train at a fraction of the cost. Frozen layers run without dropout in either case, and both give the
same numbers but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from intermodal.text.batches import reading_batches
from intermodal.text.packed_bert import Classifier, Layout
from intermodal.text.processes import Processes, processes_here
from intermodal.text.token_rows import TokenRows, spans

if TYPE_CHECKING:
    import numpy as np

LIMIT_BYTES = 3 << 30
_BATCH = 32


class LowerLayers:
    """The hidden states of rows after the frozen layers of a classifier.

    Args:
        model: The classifier, on the device it computes on.
        rows: The rows.
        depth: How many layers are frozen, embeddings included when above 0; 0 for none at all.
        dtype: Type that the encoder computes in.
    """

    def __init__(self, model: Classifier, rows: TokenRows, depth: int, dtype: torch.dtype) -> None:
        self._model, self._rows, self._depth, self._dtype = model, rows, depth, dtype
        self._device = model.output.weight.device
        self._tokens = torch.from_numpy(rows.tokens)
        self._lengths = torch.from_numpy(rows.lengths)
        self._kept: Tensor | None = None

    @property
    def depth(self) -> int:
        """How many layers are frozen."""
        return self._depth

    @property
    def fits(self) -> bool:
        """Whether the answers for all rows fit into memory."""
        return self._depth > 0 and self._tokens.numel() * self._model.shape.hidden * 2 <= LIMIT_BYTES

    def keep(self, progress: Callable[[int], None]) -> None:
        """Compute and keep the answers for all rows, in 16 bits a number.

        Args:
            progress: Called with the number of tokens done since the last call.
        """
        # A bfloat16 encoder's answers are kept as they are; float32 ones lose less in float16 than in bfloat16.
        kind = torch.float16 if self._dtype == torch.float32 else self._dtype
        together = processes_here() if self._model.shape.hidden % 2 == 0 else Processes()
        make = torch.empty if together.size == 1 else torch.zeros
        kept = make(self._tokens.numel(), self._model.shape.hidden, dtype=kind)

        def compute(batch: np.ndarray) -> None:
            states, _ = self.states(batch)
            kept[self._places(batch)] = states.to("cpu", kind)

        batches = list(together.share(reading_batches(self._rows.lengths, _BATCH)))
        for batch, _ in zip(batches, _in_threads(compute, batches, self._device), strict=True):
            progress(int(self._rows.lengths[batch].sum()) * together.size)
        self._kept = together.add_up_halves(kept) if together.size > 1 else kept

    def states(self, batch: np.ndarray) -> tuple[Tensor, Layout]:
        """Hidden states of a batch of rows: (tokens of the batch, H), and how they lie.

        Args:
            batch: Row numbers.
        """
        layout = Layout.of(self._lengths[batch].to(self._device), self._dtype)
        if self._kept is not None:
            return self._kept[self._places(batch)].to(self._device, self._dtype), layout
        tokens = self._tokens[self._places(batch)].to(self._device)
        if not self._depth:
            return self._model.embeddings(tokens, layout, self._dtype), layout
        with torch.no_grad():
            embedded = self._model.embeddings(tokens, layout, self._dtype)
            return self._model.lower(embedded, layout, 0, self._depth), layout

    def _places(self, batch: np.ndarray) -> Tensor:
        return torch.from_numpy(spans(self._rows.offsets[batch], self._rows.lengths[batch]))


def _in_threads(work: Callable[[np.ndarray], None], batches: list[np.ndarray], device: torch.device) -> Iterator[None]:
    """Do the work of every batch, in order; on a CPU with one thread a batch instead of all threads on each.

    Nothing waits for anything then, which saves a third of the time, and the numbers do not depend on how many
    processors there are.
    """
    if device.type != "cpu":
        yield from map(work, batches)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(work, batches)
    finally:
        torch.set_num_threads(threads)
