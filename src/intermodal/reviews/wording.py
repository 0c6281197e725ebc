"""The words of synthetic reviews: what people praise, what they complain about, and how strongly.

Everything here is data, written for this package. How the words become sentences is in `sentences.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Aspect:
    """Something about a product that a review can talk about.

    Attributes:
        subject: As it stands in a sentence: "the installation".
        praise: What is said of it when it is good, continuing the subject: "took two minutes".
        complaint: What is said of it when it is bad.
        plural: Whether the subject takes "are".
    """

    subject: str
    praise: tuple[str, ...]
    complaint: tuple[str, ...]
    plural: bool = False


@dataclass(frozen=True)
class ProductType:
    """One category of products.

    Attributes:
        noun: What one is called: "program".
        makers: First words of product titles.
        models: Middle words of product titles.
        variants: Last words of product titles.
        aspects: What reviews talk about.
        leaning: How much better (or worse) its ratings are than average, in log odds a star.
    """

    noun: str
    makers: tuple[str, ...]
    models: tuple[str, ...]
    variants: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    leaning: float = 0.0


# How strongly: from awful (-2) to great (+2).
ADJECTIVES = {
    -2: ("awful", "terrible", "useless", "horrible", "dreadful", "worthless", "a disaster", "a joke", "unusable"),
    -1: ("disappointing", "mediocre", "clumsy", "weak", "underwhelming", "frustrating", "poor", "annoying", "flimsy"),
    0: ("okay", "average", "acceptable", "so-so", "middling", "nothing special", "passable", "ordinary", "fine"),
    1: ("good", "solid", "decent", "handy", "pleasant", "reliable", "nice", "well made", "sensible"),
    2: ("superb", "outstanding", "flawless", "brilliant", "excellent", "fantastic", "perfect", "first-rate", "amazing"),
}
INTENSIFIERS = ("", "", "", "really ", "very ", "quite ", "simply ", "truly ", "just ")

# Sentences of each strength. {a} and {b} are aspects, {A} and {B} the same with a capital; {is_a} and {was_a} agree
# with {a}; {great} {good} {fair} {poor} {awful} are adjectives; {praise} and {complaint} continue {A}. Many pairs
# of opposite strength hold the very same words in another order, or differ by one negation.
OPINIONS = {
    2: (
        "{A} {is_a} {great}.",
        "{A} {is_a} {very}{great}.",
        "{A} {praise}, which is {great}.",
        "I could not be happier with {a}.",
        "There is nothing {poor} about {a}.",
        "{A} {is_a} anything but {poor}.",
        "I was told {a} would be {awful}, and {a} turned out {great}.",
        "Never once did I wish {a} were different.",
        "{A} {praise} and {b} {is_b} {great} too.",
        "I love how {a} {praise}.",
        "{A} {is_a} {great}, not {awful} as others claim.",
    ),
    1: (
        "{A} {is_a} {good}.",
        "{A} {is_a} {very}{good}.",
        "{A} {praise}.",
        "{A} {is_a} not {poor} at all.",
        "I expected {a} to be {poor}, but {a} {was_a} {good}.",
        "{B} {is_b} {poor}, but {a} {is_a} {good}.",
        "{B} {complaint_b}, but {a} {praise}.",
        "No complaints about {a}.",
        "I like {a}, and {b} {is_b} {fair}.",
        "{A} could be better, but I am not disappointed.",
        "{A} {is_a} more {good} than {poor}.",
    ),
    0: (
        "{A} {is_a} {fair}.",
        "{A} {is_a} neither {good} nor {poor}.",
        "{A} {is_a} {good} on some days and {poor} on others.",
        "I have no strong feelings about {a}.",
        "{A} {is_a} {fair}, and so {is_b} {b}.",
        "{A} {praise}; {b} {complaint_b}.",
        "{A} {is_a} {fair} for the price.",
        "Sometimes {a} {praise}, sometimes not.",
    ),
    -1: (
        "{A} {is_a} {poor}.",
        "{A} {is_a} {very}{poor}.",
        "{A} {complaint}.",
        "{A} {is_a} not {good} at all.",
        "I expected {a} to be {good}, but {a} {was_a} {poor}.",
        "{B} {is_b} {good}, but {a} {is_a} {poor}.",
        "{B} {praise_b}, but {a} {complaint}.",
        "No praise for {a}.",
        "I do not like {a}, and {b} {is_b} {fair}.",
        "{A} could be worse, but I am disappointed.",
        "{A} {is_a} more {poor} than {good}.",
    ),
    -2: (
        "{A} {is_a} {awful}.",
        "{A} {is_a} {very}{awful}.",
        "{A} {complaint}, which is {awful}.",
        "I could not be more disappointed with {a}.",
        "There is nothing {good} about {a}.",
        "{A} {is_a} anything but {good}.",
        "I was told {a} would be {great}, and {a} turned out {awful}.",
        "Never once did {a} work as promised.",
        "{A} {complaint} and {b} {is_b} {awful} too.",
        "I hate how {a} {complaint}.",
        "{A} {is_a} {awful}, not {great} as others claim.",
    ),
}

# Sentences that close a review, by the number of stars that its writer has in mind.
VERDICTS = {
    1: (
        "Save your money.",
        "I want a refund.",
        "Sent it back the next day.",
        "Do not buy this {noun}.",
        "A complete waste of money.",
        "Zero stars if I could.",
        "Not worth a penny.",
        "I would not take it again for free.",
        "Worst {noun} I have ever owned.",
    ),
    2: (
        "I would not buy it again.",
        "I expected more for the money.",
        "Look at something else first.",
        "It works, but only half of the time.",
        "Not what I hoped for.",
        "I regret not reading the other reviews.",
        "Two stars because it is not a total loss.",
        "Not the worst {noun}, but close.",
    ),
    3: (
        "It does the job, nothing more.",
        "I am not sure I would buy it again.",
        "You get what you pay for.",
        "Fine for the price, I suppose.",
        "There are better and worse ones.",
        "Not bad, not great.",
        "Somewhere in the middle for me.",
        "I will keep it, but I am not excited.",
    ),
    4: (
        "Happy with it overall.",
        "I would recommend it with one small reservation.",
        "It does what I bought it for.",
        "Good value for the money.",
        "Almost perfect.",
        "One star off for the little things.",
        "I would probably buy it again.",
        "Not perfect, but I am glad I bought it.",
    ),
    5: (
        "I would buy it again without thinking twice.",
        "Highly recommended.",
        "Do not hesitate, just get it.",
        "Worth every penny.",
        "Best {noun} I have ever owned.",
        "I could not ask for more.",
        "Exactly what I was looking for.",
        "I do not regret this one bit.",
        "Five stars are not enough.",
    ),
}

# Whole reviews of a few words; people write many of these, and many write the same.
SHORT = {
    1: ("Terrible", "Waste of money", "Does not work", "Junk.", "Do not buy", "Never again", "Horrible!", "broken"),
    2: ("Disappointed", "Not great", "Meh", "Not as described", "Expected more", "Poor quality", "not happy"),
    3: ("It's ok", "Okay", "Average", "Does the job", "Not bad", "so so", "Nothing special", "ok for the price"),
    4: ("Good", "Works well", "Pretty good", "Nice", "Good product", "As described", "does what it should", "Like it"),
    5: ("Love it!", "Great product", "Perfect", "Works great", "Excellent", "Awesome!", "Great!", "Just what I needed"),
}

# Neutral sentences, some with strong words that say nothing about this product.
STORIES = (
    "I bought this {noun} for my {person}.",
    "It arrived on a {day}.",
    "I have had it for {number} weeks now.",
    "My previous {noun} was {great}, so I knew what to compare it with.",
    "My previous {noun} was {awful}, so I knew what to compare it with.",
    "My {person} has the same {noun}.",
    "I use it about {number} times a week.",
    "This is my {ordinal} {noun} in {number} years.",
    "I read {number} reviews before ordering.",
    "My {person} says it is {good}, my neighbour says it is {poor}.",
    "I ordered it together with another {noun}.",
    "The box had a dent, nothing else.",
)
PEOPLE = ("wife", "husband", "daughter", "son", "mother", "father", "brother", "sister", "boss", "niece", "neighbor")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
ORDINALS = ("second", "third", "fourth", "fifth")
STAR_HEADLINES = {1: "One Star", 2: "Two Stars", 3: "Three Stars", 4: "Four Stars", 5: "Five Stars"}
