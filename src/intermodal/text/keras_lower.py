"""What the frozen lower layers of a Keras classifier say of each row: computed once and kept, or computed each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from intermodal.text.batches import reading_batches
from intermodal.text.token_rows import spans

if TYPE_CHECKING:
    from intermodal.text.keras_bert import KerasClassifier
    from intermodal.text.token_rows import TokenRows

LIMIT_BYTES = 3 << 30


class KeptLayers:
    """The hidden states of rows after the frozen layers, in rectangles padded to the longest row of a batch.

    Args:
        model: The classifier.
        rows: The rows.
        depth: How many layers are frozen, embeddings included when above 0; 0 for none at all.
        lower: `traced_lower` of the same model and depth: traced once for all rows.
    """

    def __init__(self, model: KerasClassifier, rows: TokenRows, depth: int, lower: Callable[..., Any]) -> None:
        self.rows, self._hidden, self._depth, self._lower = rows, model.shape.hidden, depth, lower
        self._kept: np.ndarray | None = None

    @property
    def fits(self) -> bool:
        """Whether the answers for all rows fit into memory."""
        return self._depth > 0 and len(self.rows.tokens) * self._hidden * 2 <= LIMIT_BYTES

    def keep(self, progress: Callable[[int], None]) -> None:
        """Compute and keep the answers for all rows, in 16 bits a number.

        Args:
            progress: Called with the number of tokens done since the last call.
        """
        kept: np.ndarray = np.empty((len(self.rows.tokens), self._hidden), np.float16)
        for batch in reading_batches(self.rows.lengths):
            states, real = self.given(batch)
            kept[self._places(batch)] = np.asarray(states)[real]
            progress(int(self.rows.lengths[batch].sum()))
        self._kept = kept

    def given(self, batch: np.ndarray) -> tuple[Any, np.ndarray]:
        """What the trained part is given of a batch of rows, and where it is not padding: (B, L, …) and (B, L).

        Args:
            batch: Row numbers.

        Returns:
            float32 states (B, L, H), or int32 token ids (B, L) when nothing is frozen; and bool.
        """
        lengths = self.rows.lengths[batch]
        real = np.arange(int(lengths.max()))[None] < lengths[:, None]
        if self._kept is not None:
            states: np.ndarray = np.zeros((*real.shape, self._hidden), np.float32)
            states[real] = self._kept[self._places(batch)]
            return states, real
        tokens: np.ndarray = np.zeros(real.shape, np.int32)
        tokens[real] = self.rows.tokens[self._places(batch)]
        return (self._lower(tokens, real) if self._depth else tokens), real

    def _places(self, batch: np.ndarray) -> np.ndarray:
        return spans(self.rows.offsets[batch], self.rows.lengths[batch])


def traced_lower(model: KerasClassifier, depth: int) -> Callable[..., Any]:
    """The frozen part of a classifier as a function of TensorFlow: ids (B, L), real (B, L) → states (B, L, H)."""

    def lower(tokens: Any, real: Any) -> Any:
        return model.encode(model.embed(tokens), real, 0, depth)

    return tf.function(lower, input_signature=[tf.TensorSpec([None, None], kind) for kind in (tf.int32, tf.bool)])
