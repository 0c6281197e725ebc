"""What a set of reviews looks like, in a few counts: kept with a model, so that new reviews can be compared with it.

`featurize` writes it beside the features and every training copies it into the model: the champion in the registry
then says by itself what it was trained on, long after the reviews are gone. Counts are taken before balancing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.core.events import log_progress
from intermodal.errors import ArtifactCorrupt
from intermodal.text.normalise import readable

if TYPE_CHECKING:
    from intermodal.text.review_files import ReviewFiles

FILE = "reference.json"
SAMPLE = 10_000
"""Reviews whose words are counted, evenly spread over the files; all rows are counted for everything else."""
WORDS = 500
OTHER = ""
"""The cell of all words that are not among the counted ones."""
_LENGTHS = (1, 4, 8, 16, 32, 64, 128, 256, 512)  # words; bins that double, as lengths spread over magnitudes
_WORD = re.compile(r"\w+")


def describe_reviews(reviews: ReviewFiles, words: Sequence[str] = ()) -> dict[str, Any]:
    """Count ratings, categories, lengths and words.

    Args:
        reviews: The reviews.
        words: Which words to count; the `WORDS` most frequent ones of these reviews when empty.

    Returns:
        {"rows", "rating", "category", "length", "words"}, where each but rows maps a cell to its count: of reviews,
        and for words of the reviews that have the word, with all others under `OTHER`.
    """
    ratings, categories, lengths, found = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    every, done = max(1, -(-reviews.rows // SAMPLE)), 0
    for batch in reviews.batches(("product_category", "star_rating", "review_body")):
        ratings.update(map(_text, batch.column("star_rating").to_pylist()))
        categories.update(map(_text, batch.column("product_category").to_pylist()))
        for number, body in enumerate(batch.column("review_body").to_pylist(), start=done):
            lengths[_bin((body or "").count(" ") + 1 if body else 0)] += 1
            if number % every == 0:
                found.update(set(_WORD.findall(readable(body).lower())))
        done += batch.num_rows
        log_progress(done, reviews.rows, "reviews", "describing")
    return {
        "rows": done,
        "rating": dict(sorted(ratings.items())),
        "category": dict(sorted(categories.items())),
        "length": {name: lengths[name] for name in bin_names()},
        "words": _cells(found, words),
    }


def write_reference(directory: Path, description: dict[str, Any]) -> None:
    """Write `reference.json` into a directory that exists."""
    text = json.dumps(description, indent=1, ensure_ascii=False)
    (directory / FILE).write_text(text + "\n", encoding="utf-8")


def read_reference(directory: Path) -> dict[str, Any] | None:
    """What `write_reference` wrote; None when there is none.

    Raises:
        ArtifactCorrupt: The file is not what it should be.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
        if {"rows", "rating", "category", "length", "words"} <= found.keys():
            return found
    except ValueError as error:
        raise ArtifactCorrupt(f"{FILE} cannot be read", seen=error, expected="as featurize writes it") from error
    raise ArtifactCorrupt(f"{FILE} lacks counts", seen=sorted(found), expected="as featurize writes it")


def bin_names() -> Iterator[str]:
    """The bins of length in words, from short to long."""
    edges = (0, *_LENGTHS)
    yield from (f"{low}–{high - 1}" if high - low > 1 else str(low) for low, high in zip(edges, _LENGTHS, strict=False))
    yield f"{_LENGTHS[-1]}+"


def _bin(words: int) -> str:
    return _NAMES[sum(words >= edge for edge in _LENGTHS)]


def _cells(found: Counter[str], words: Sequence[str]) -> dict[str, int]:
    chosen = words or sorted(found, key=lambda word: (-found[word], word))[:WORDS]
    counts = {word: found[word] for word in chosen if word != OTHER}
    return {**counts, OTHER: found.total() - sum(counts.values())}


def _text(value: Any) -> str:
    return "(none)" if value is None else str(value)


_NAMES = tuple(bin_names())
