"""From words to a stock of sentences, rendered once, from which reviews are drawn.

A review is then nothing but a few look-ups and a join, which is what makes a hundred thousand reviews a
matter of a second.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from intermodal.reviews import wording
from intermodal.reviews.wording import Aspect, ProductType

if TYPE_CHECKING:
    import numpy as np

LEVELS = (-2, -1, 0, 1, 2)
STARS = (1, 2, 3, 4, 5)
# Columns of `Stock.start` and `Stock.size`.
OPINION, VERDICT, SHORT, STORY = 0, 5, 10, 15
KINDS = 16
_OPINIONS_EACH, _STORIES_EACH, _VERDICT_FORMS = 2000, 400, 6
_TYPO_SHARE, _LOWER_SHARE, _SHOUT_SHARE, _BANG_SHARE = 0.05, 0.06, 0.012, 0.05


@dataclass(frozen=True)
class Stock:
    """All sentences, and where those of one kind stand.

    Attributes:
        texts: (sentences,) object array of str.
        start: (categories, KINDS) int64: first index of a kind in `texts`. Kinds: OPINION + level + 2,
            VERDICT + star - 1, SHORT + star - 1, STORY.
        size: (categories, KINDS) int64: how many there are.
    """

    texts: np.ndarray
    start: np.ndarray
    size: np.ndarray


def render_stock(kinds: list[ProductType]) -> Stock:
    """Render the sentences of some product types; always the same for the same types.

    Args:
        kinds: The product types, in the order of the category codes.

    Returns:
        Their stock.
    """
    import numpy as np

    groups = [group for kind in kinds for group in _groups(kind)]
    sizes = np.array([len(group) for group in groups], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    texts = np.array([text for group in groups for text in group], dtype=object)
    return Stock(texts, starts.reshape(len(kinds), KINDS), sizes.reshape(len(kinds), KINDS))


def _groups(kind: ProductType) -> list[list[str]]:
    # The same words for everyone: the seed of a data set chooses among them, it does not change them.
    chance = random.Random(f"intermodal reviews: {kind.noun}")  # noqa: S311
    opinions = [[_opinion(kind, level, chance) for _ in range(_OPINIONS_EACH)] for level in LEVELS]
    closing = {star: [text.format(noun=kind.noun) for text in wording.VERDICTS[star]] for star in STARS}
    verdicts = [[_wear(text, chance) for text in closing[star] * _VERDICT_FORMS] for star in STARS]
    shorts = [list(wording.SHORT[star]) for star in STARS]
    return [*opinions, *verdicts, *shorts, [_story(kind, chance) for _ in range(_STORIES_EACH)]]


def _opinion(kind: ProductType, level: int, chance: random.Random) -> str:
    first, second = chance.sample(kind.aspects, 2)
    words = {name: chance.choice(wording.ADJECTIVES[step]) for name, step in _ADJECTIVE_NAMES}
    text = chance.choice(wording.OPINIONS[level]).format(
        **words, **_forms(first, "a", chance), **_forms(second, "b", chance), very=chance.choice(wording.INTENSIFIERS)
    )
    return _wear(text, chance)


_ADJECTIVE_NAMES = (("awful", -2), ("poor", -1), ("fair", 0), ("good", 1), ("great", 2))


def _forms(aspect: Aspect, letter: str, chance: random.Random) -> dict[str, str]:
    """The template fields of one aspect."""
    suffix = "" if letter == "a" else "_b"
    return {
        letter: aspect.subject,
        letter.upper(): aspect.subject[0].upper() + aspect.subject[1:],
        f"is_{letter}": "are" if aspect.plural else "is",
        f"was_{letter}": "were" if aspect.plural else "was",
        f"praise{suffix}": chance.choice(aspect.praise),
        f"complaint{suffix}": chance.choice(aspect.complaint),
    }


def _story(kind: ProductType, chance: random.Random) -> str:
    words = {name: chance.choice(wording.ADJECTIVES[step]) for name, step in _ADJECTIVE_NAMES}
    text = chance.choice(wording.STORIES).format(
        **words,
        noun=kind.noun,
        person=chance.choice(wording.PEOPLE),
        day=chance.choice(wording.DAYS),
        ordinal=chance.choice(wording.ORDINALS),
        number=chance.randint(2, 9),
    )
    return _wear(text, chance)


def _wear(text: str, chance: random.Random) -> str:
    """Make a sentence look typed by a person: now and then a typo, no capital, capitals only, more exclamation."""
    if chance.random() < _TYPO_SHARE:
        text = _typo(text, chance)
    if chance.random() < _LOWER_SHARE:
        text = text.lower().removesuffix(".")
    elif chance.random() < _SHOUT_SHARE:
        text = text.upper()
    if chance.random() < _BANG_SHARE:
        text = text.removesuffix(".") + "!" * chance.choice((1, 1, 2, 3))
    return text


def _typo(text: str, chance: random.Random) -> str:
    """Swap, drop or double one letter inside a word."""
    places = [index for index in range(1, len(text) - 2) if text[index].isalpha() and text[index + 1].isalpha()]
    at = chance.choice(places)
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    dropped = text[:at] + text[at + 1 :]
    doubled = text[:at] + text[at] + text[at:]
    return chance.choice((swapped, dropped, doubled))
