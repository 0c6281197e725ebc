"""Synthetic reviews, drawn in chunks: the same rows for the same seed, whatever the number asked for.

A review's stars come from its product and year; its wording from the *tone* its writer had in mind, which is
usually that rating, often a neighbouring one, now and then any. Sentences of all strengths mix, most often
those that fit. So neighbouring stars are confusable, as in real reviews, and no model can be perfect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from intermodal.reviews.products import product_types, titles
from intermodal.reviews.sentences import OPINION, SHORT, STORY, VERDICT, Stock, render_stock
from intermodal.reviews.wording import STAR_HEADLINES

if TYPE_CHECKING:
    import numpy as np

CHUNK_ROWS = 20_000
# Shares of 1..5 stars, close to what Amazon's public files show: many fives, more ones than twos.
STAR_SHARES = (0.17, 0.07, 0.09, 0.17, 0.50)
FIRST_YEAR, LAST_YEAR = 2005, 2015
_YEAR_GROWTH = 1.35  # each year has so many times the reviews of the one before
_YEAR_LEANING = 0.03  # ratings rise a little over the years, in log odds a star
_PRODUCT_SPREAD = 0.35  # standard deviation of a product's own leaning
_TONE_NEIGHBOUR, _TONE_ANY = 0.09, 0.02
# Chance of an opinion of strength -2..+2 (columns) for a tone of 1..5 stars (rows).
_STRENGTH = (
    (0.56, 0.26, 0.10, 0.06, 0.02),
    (0.22, 0.42, 0.21, 0.12, 0.03),
    (0.07, 0.21, 0.42, 0.22, 0.08),
    (0.02, 0.09, 0.19, 0.47, 0.23),
    (0.01, 0.04, 0.09, 0.27, 0.59),
)
_SHORT_SHARE, _STORY_SHARE, _VERDICT_SHARE, _STAR_HEADLINE_SHARE = 0.10, 0.16, 0.30, 0.25
_FEWEST_SENTENCES, _MEAN_MORE_SENTENCES, _MOST_SENTENCES = 2, 3.0, 24
_ID_MULTIPLIER, _ID_STREAM = 0x9E3779B97F4A7C15, 0x5851F42D4C957F2D
_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Chunk:
    """Some consecutive synthetic reviews.

    Attributes:
        first: Index of the first review.
        columns: The 15 columns in their order, each a list of `rows` strings.
    """

    first: int
    columns: list[list[str]]

    @property
    def rows(self) -> int:
        """How many reviews there are."""
        return len(self.columns[0])


@dataclass(frozen=True)
class _Catalogue:
    """Every product: arrays over products, and where each category's stand."""

    category: list[str]
    title: list[str]
    identifier: list[str]
    parent: list[str]
    leaning: np.ndarray
    code: np.ndarray


def synthetic_reviews(rows: int, seed: int, categories: list[str]) -> Iterator[Chunk]:
    """Draw reviews.

    Args:
        rows: How many.
        seed: Another seed gives other reviews; the first n of a seed are the same for every `rows` ≥ n.
        categories: Names out of `PRODUCT_TYPES`.

    Yields:
        Chunks of `CHUNK_ROWS` rows, the last one shorter.

    Raises:
        UsageError: A category is unknown.
    """
    import numpy as np

    kinds = product_types(categories)
    stock = render_stock(kinds)
    catalogue = _catalogue(categories)
    for first in range(0, rows, CHUNK_ROWS):
        # A chunk is always drawn whole, so that asking for more rows changes none of the earlier ones.
        chance = np.random.default_rng([seed, first // CHUNK_ROWS])
        columns = _columns(chance, first, seed, stock, catalogue)
        yield Chunk(first, [column[: rows - first] for column in columns])


def _catalogue(categories: list[str]) -> _Catalogue:
    import numpy as np

    chance = np.random.default_rng([7, len(categories)])
    named = [(name, code, title) for code, name in enumerate(categories) for title in titles(product_types([name])[0])]
    leanings = [product_types([name])[0].leaning for name, _, _ in named]
    numbers = [sum(ord(letter) * 131**place for place, letter in enumerate(title)) for _, _, title in named]
    return _Catalogue(
        category=[name for name, _, _ in named],
        title=[title for _, _, title in named],
        identifier=[f"B00{_base36(number % 36**7, 7)}" for number in numbers],
        parent=[str(100_000_000 + number % 899_999_981) for number in numbers],
        leaning=np.array(leanings) + _PRODUCT_SPREAD * chance.standard_normal(len(named)),
        code=np.array([code for _, code, _ in named]),
    )


def _base36(number: int, width: int) -> str:
    return "".join(chr(_DIGITS[number // 36**place % 36]) for place in reversed(range(width)))


def _columns(
    chance: np.random.Generator, first: int, seed: int, stock: Stock, catalogue: _Catalogue
) -> list[list[str]]:
    import numpy as np

    rows = CHUNK_ROWS
    # Popularity falls off with the square: a few products gather most reviews.
    product = (len(catalogue.title) * chance.random(rows) ** 2).astype(np.int64)
    product = np.random.default_rng(1).permutation(len(catalogue.title))[product]
    year, date = _dates(chance)
    stars = _stars(chance, catalogue.leaning[product] + _YEAR_LEANING * (year - 2010))
    tone = _tone(chance, stars)
    category = catalogue.code[product]
    helpful, total = _votes(chance, stars)
    vine = chance.random(rows) < 0.004
    verified = (chance.random(rows) < 0.83) & ~vine
    customer = 10_000_000 + (43_000_000 * chance.random(rows) ** 3).astype(np.int64)
    chosen = product.tolist()
    return [
        ["US"] * rows,
        [str(number) for number in customer.tolist()],
        _review_ids(first, seed),
        [catalogue.identifier[index] for index in chosen],
        [catalogue.parent[index] for index in chosen],
        [catalogue.title[index] for index in chosen],
        [catalogue.category[index] for index in chosen],
        ["12345"[star] for star in stars.tolist()],
        [str(number) for number in helpful.tolist()],
        [str(number) for number in total.tolist()],
        ["Y" if yes else "N" for yes in vine.tolist()],
        ["Y" if yes else "N" for yes in verified.tolist()],
        _headlines(chance, stock, category, tone, stars),
        _bodies(chance, stock, category, tone),
        date,
    ]


def _dates(chance: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Years ((CHUNK_ROWS,) int64) and ISO dates."""
    import numpy as np

    years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
    year = years[_draw(chance, _YEAR_GROWTH ** (years - FIRST_YEAR), CHUNK_ROWS)]
    day = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + (365 * chance.random(CHUNK_ROWS)).astype(int)
    return year, np.datetime_as_string(day).tolist()


def _stars(chance: np.random.Generator, leaning: np.ndarray) -> np.ndarray:
    """Star codes 0..4 ((n,) int64) for products and years that lean so much to better ratings."""
    import numpy as np

    weights = np.array(STAR_SHARES) * np.exp(leaning[:, None] * (np.arange(5) - 2))
    bounds = np.cumsum(weights, axis=1)
    return (chance.random(len(leaning))[:, None] * bounds[:, -1:] > bounds).sum(axis=1)


def _tone(chance: np.random.Generator, stars: np.ndarray) -> np.ndarray:
    """What the wording will say, 0..4: the rating, a neighbouring one, or anything."""
    import numpy as np

    kind = chance.random(len(stars))
    step = np.where(chance.random(len(stars)) < 0.5, -1, 1)
    anything = (5 * chance.random(len(stars))).astype(np.int64)
    near = 4 - np.abs(4 - np.abs(stars + step))  # 1 and 5 have one neighbour: a step outwards is turned inwards
    return np.where(kind < _TONE_ANY, anything, np.where(kind < _TONE_ANY + _TONE_NEIGHBOUR, near, stars))


def _votes(chance: np.random.Generator, stars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Helpful and total votes; most reviews get none, angry ones more."""
    import numpy as np

    reach = np.array([1.6, 1.2, 1.0, 0.8, 0.7])[stars]
    total = np.minimum(reach * (chance.random(len(stars)) ** -0.8 - 1.35), 3000).clip(0).astype(np.int64)
    liked = np.array([0.55, 0.55, 0.6, 0.75, 0.8])[stars] + 0.3 * (chance.random(len(stars)) - 0.5)
    return np.rint(total * liked.clip(0, 1)).astype(np.int64), total


def _review_ids(first: int, seed: int) -> list[str]:
    """Identifiers of 14 characters, different for every index: each step is a bijection of 64-bit numbers."""
    import numpy as np

    number = np.arange(first, first + CHUNK_ROWS, dtype=np.uint64) + np.uint64(seed * _ID_STREAM % 2**64)
    for shift in (30, 27):
        number = (number ^ (number >> np.uint64(shift))) * np.uint64(_ID_MULTIPLIER)
    digits: np.ndarray = np.empty((CHUNK_ROWS, 13), dtype=np.int64)
    for place in range(12, -1, -1):
        number, digits[:, place] = np.divmod(number, np.uint64(36))
    letters = np.frombuffer(_DIGITS, dtype="S1")[digits]
    return ["R" + text.decode() for text in letters.view("S13").ravel().tolist()]


def _headlines(
    chance: np.random.Generator, stock: Stock, category: np.ndarray, tone: np.ndarray, stars: np.ndarray
) -> list[str]:
    """What Amazon fills in for those who leave it empty, a few words, or a verdict."""
    import numpy as np

    kind = np.where(chance.random(len(tone)) < 0.5, SHORT, VERDICT) + tone
    texts = stock.texts[_pick(chance, stock, category, kind)].tolist()
    filled_in = (chance.random(len(tone)) < _STAR_HEADLINE_SHARE).tolist()
    names = [STAR_HEADLINES[star + 1] for star in stars.tolist()]
    return [name if use else text.removesuffix(".") for name, text, use in zip(names, texts, filled_in, strict=True)]


def _bodies(chance: np.random.Generator, stock: Stock, category: np.ndarray, tone: np.ndarray) -> list[str]:
    """Opinions and stories in any order, often closed by a verdict; or a few words only."""
    import numpy as np

    rows = len(tone)
    more = (-_MEAN_MORE_SENTENCES * np.log1p(-chance.random(rows))).astype(np.int64)
    short = chance.random(rows) < _SHORT_SHARE
    count = np.where(short, 1, np.minimum(_FEWEST_SENTENCES + more, _MOST_SENTENCES))
    ends = np.cumsum(count)
    owner: np.ndarray = np.repeat(np.arange(rows), count)
    strength = _draw_rows(chance, np.array(_STRENGTH), tone[owner])
    kind = np.where(chance.random(len(owner)) < _STORY_SHARE, STORY, OPINION + strength)
    last = ends[(chance.random(rows) < _VERDICT_SHARE) & (count > 1)] - 1
    kind[last] = VERDICT + tone[owner[last]]
    kind[ends[short] - 1] = SHORT + tone[short]
    pieces = stock.texts[_pick(chance, stock, category[owner], kind)].tolist()
    bounds = [0, *ends.tolist()]
    return [" ".join(pieces[start:end]) for start, end in zip(bounds, bounds[1:], strict=False)]


def _pick(chance: np.random.Generator, stock: Stock, category: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Indices of sentences of these kinds ((n,) int64)."""
    import numpy as np

    size = stock.size[category, kind]
    return stock.start[category, kind] + (size * chance.random(len(kind))).astype(np.int64)


def _draw(chance: np.random.Generator, weights: np.ndarray, rows: int) -> np.ndarray:
    """Indices drawn with these weights ((rows,) int64)."""
    import numpy as np

    bounds = np.cumsum(weights)
    return np.asarray(np.searchsorted(bounds, chance.random(rows) * bounds[-1]))


def _draw_rows(chance: np.random.Generator, weights: np.ndarray, row: np.ndarray) -> np.ndarray:
    """One column drawn for each entry of `row`, with the weights of that row of `weights`."""
    import numpy as np

    bounds = np.cumsum(weights, axis=1)
    bounds[:, -1] = 2.0  # rounding must not leave a gap at the top
    return (chance.random(len(row))[:, None] > bounds[row]).sum(axis=1)
