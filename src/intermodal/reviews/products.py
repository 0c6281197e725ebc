"""The categories of synthetic reviews: their products, and what reviews of them talk about."""

from __future__ import annotations

from intermodal.errors import UsageError
from intermodal.reviews.wording import Aspect, ProductType

PRODUCT_TYPES = {
    "Books": ProductType(
        noun="book",
        makers=("The Silent", "A Winter of", "Beyond the", "Letters from", "The Last", "Under the", "Daughters of"),
        models=("Harbor", "Orchard", "Cartographer", "Lighthouse", "Meadow", "Clockmaker", "River", "Garden"),
        variants=("(Paperback)", "(Hardcover)", "(Large Print)", "(Volume 2)", "(Illustrated Edition)"),
        aspects=(
            Aspect("the plot", ("kept me up all night", "surprised me twice"), ("went nowhere", "was easy to guess")),
            Aspect("the ending", ("made sense of everything", "moved me"), ("came from nowhere", "left me cold")),
            Aspect(
                "the characters",
                ("feel like old friends", "stay with you"),
                ("all talk alike", "never come to life"),
                plural=True,
            ),
            Aspect("the writing", ("flows like a song", "never wastes a word"), ("drags on", "is full of cliches")),
            Aspect("the print", ("is large and sharp", "is easy on the eyes"), ("is faint", "smears on every page")),
            Aspect("the translation", ("reads naturally", "keeps the wit"), ("is stiff", "misses half the jokes")),
            Aspect("the binding", ("lies flat", "survived my backpack"), ("fell apart", "cracked on page ten")),
        ),
        leaning=0.12,
    ),
    "Digital_Software": ProductType(
        noun="program",
        makers=("Northbridge", "Quillsoft", "Tallyworks", "Bluefen", "Ironleaf", "Papermoon", "Vantiq"),
        models=("Ledger", "PhotoDesk", "Guard", "Tax Planner", "Office Suite", "Backup", "Language Coach", "Maps"),
        variants=("2013 [Download]", "Home Edition", "Pro (1 PC)", "Deluxe [Download]", "2015 (3 Users)"),
        aspects=(
            Aspect("the installation", ("took two minutes", "went smoothly"), ("failed twice", "hung at 80 percent")),
            Aspect(
                "the interface", ("is clear at a glance", "stays out of my way"), ("is a maze", "hides every option")
            ),
            Aspect("the activation key", ("worked at once", "came by mail in seconds"), ("was rejected", "never came")),
            Aspect(
                "the updates",
                ("come without any trouble", "fix things quickly"),
                ("break something every time", "never stop nagging"),
                plural=True,
            ),
            Aspect(
                "the support", ("answered within an hour", "solved it on the phone"), ("never answers", "hung up on me")
            ),
            Aspect(
                "the speed", ("beats what I had before", "holds up on my old laptop"), ("makes me wait", "drops daily")
            ),
            Aspect(
                "the import", ("kept all my old files", "ran without a hitch"), ("lost half my data", "crashed on me")
            ),
            Aspect("the license", ("covers all our computers", "is fair"), ("expires too soon", "locked me out")),
        ),
        leaning=-0.18,
    ),
    "Electronics": ProductType(
        noun="device",
        makers=("Solvane", "Kestrel", "Audiq", "Lumenor", "Photonix", "Brightwave", "Teklund"),
        models=("Bluetooth Speaker", "Headphones", "Tablet Stand", "Power Bank", "Webcam", "Clock Radio", "USB Hub"),
        variants=("(Black)", "(White)", "with Case", "Gen 2", "XL", "Mini"),
        aspects=(
            Aspect("the battery", ("lasts for days", "charges in an hour"), ("dies by noon", "swelled up")),
            Aspect("the sound", ("fills the room", "is rich and clear"), ("crackles", "is tinny")),
            Aspect("the screen", ("is bright in the sun", "shows every detail"), ("flickers", "scratches easily")),
            Aspect("the charger", ("fits snugly", "stays cool"), ("got hot and smelled", "stopped after a week")),
            Aspect(
                "the buttons",
                ("click nicely", "are where you expect them"),
                ("stick", "came off after a month"),
                plural=True,
            ),
            Aspect(
                "the bluetooth",
                ("connects right away", "reaches through walls"),
                ("drops every minute", "will not pair"),
            ),
            Aspect(
                "the manual", ("explains everything", "fits on one page"), ("is in the wrong language", "helps nobody")
            ),
        ),
    ),
    "Kitchen": ProductType(
        noun="appliance",
        makers=("Hearthline", "Cucina", "Danvers", "Copperpot", "Ovenly", "Stahlmann", "Brewhaus"),
        models=("Countertop Microwave", "Blender", "Coffee Maker", "Toaster", "Rice Cooker", "Stand Mixer", "Kettle"),
        variants=("700 Watt", "Stainless Steel", "(Red)", "Compact", "12-Cup", "0.7 cu. ft."),
        aspects=(
            Aspect("the motor", ("is quiet", "handles ice with ease"), ("screams", "burned out in a week")),
            Aspect("the door", ("closes with a soft click", "seals tightly"), ("does not shut", "came off its hinge")),
            Aspect("the timer", ("is precise", "is simple to set"), ("stops early", "resets itself")),
            Aspect(
                "the controls",
                ("are easy to read", "respond at once"),
                ("wore off", "need three tries"),
                plural=True,
            ),
            Aspect("the lid", ("never leaks", "fits tightly"), ("leaks all over", "cracked in the sink")),
            Aspect(
                "the cleaning", ("takes a minute", "is done in the dishwasher"), ("takes forever", "needs a toothbrush")
            ),
            Aspect(
                "the heating", ("is even", "is faster than my old one"), ("leaves cold spots", "gave up after a month")
            ),
        ),
        leaning=-0.05,
    ),
    "Toys": ProductType(
        noun="toy",
        makers=("Puddleduck", "Wonderwood", "Tinkerbee", "Jollybot", "Rainbow Rail", "Bigtop", "Moonbeam"),
        models=("Train Set", "Puzzle", "Plush Bear", "Building Blocks", "Dollhouse", "Race Car", "Science Kit"),
        variants=("100 Pieces", "Deluxe", "for Ages 3+", "(Blue)", "Starter Set", "with Lights"),
        aspects=(
            Aspect(
                "the pieces",
                ("snap together easily", "feel sturdy"),
                ("do not fit", "broke on the first day"),
                plural=True,
            ),
            Aspect("the paint", ("is bright", "does not chip"), ("peels off", "smells of chemicals")),
            Aspect("the box", ("was complete", "makes a nice gift"), ("missed two parts", "came crushed")),
            Aspect(
                "the instructions",
                ("are easy to follow", "have clear pictures"),
                ("skip steps", "make no sense"),
                plural=True,
            ),
            Aspect("the size", ("is right for small hands", "is as pictured"), ("is tiny", "is not as pictured")),
            Aspect("the fun", ("lasts for hours", "has not worn off"), ("was over in a minute", "never started")),
        ),
        leaning=0.08,
    ),
    "Video_Games": ProductType(
        noun="game",
        makers=("Starfall", "Dungeon of", "Turbo", "Kingdoms of", "Galaxy", "Shadow", "Pixel"),
        models=("Raiders", "Legends", "Racers", "Empire", "Frontier", "Quest", "Tactics"),
        variants=("II", "III", "- PC [Download]", "- Deluxe Edition", "Online", "(Standard Edition)"),
        aspects=(
            Aspect("the story", ("grips you at once", "has real twists"), ("is thin", "makes no sense")),
            Aspect(
                "the graphics",
                ("look gorgeous", "run smoothly"),
                ("look ten years old", "stutter all the time"),
                plural=True,
            ),
            Aspect(
                "the controls",
                ("feel natural", "respond instantly"),
                ("lag", "cannot be remapped"),
                plural=True,
            ),
            Aspect("the multiplayer", ("finds a match in seconds", "is a blast"), ("is full of cheaters", "is empty")),
            Aspect(
                "the servers",
                ("never go down", "are quick"),
                ("are always down", "kicked me out daily"),
                plural=True,
            ),
            Aspect("the difficulty", ("is well balanced", "keeps you trying"), ("is unfair", "puts you to sleep")),
            Aspect("the soundtrack", ("gives me chills", "fits every scene"), ("repeats endlessly", "grates")),
            Aspect("the download", ("was quick", "started right away"), ("took two days", "stalled at the end")),
        ),
        leaning=-0.08,
    ),
}


def product_types(names: list[str]) -> list[ProductType]:
    """The product types of these categories.

    Args:
        names: Category names; at least one, each once.

    Returns:
        Their product types, in the same order.

    Raises:
        UsageError: A name is unknown or named twice, or there is none.
    """
    unknown = [name for name in names if name not in PRODUCT_TYPES]
    if unknown or not names or len(set(names)) < len(names):
        raise UsageError(
            "unknown category" if unknown else "categories must be named, each once",
            seen=", ".join(map(str, unknown or names)) or "none",
            expected=f"some of {', '.join(PRODUCT_TYPES)}",
        )
    return [PRODUCT_TYPES[name] for name in names]


def titles(kind: ProductType) -> list[str]:
    """Every product of a type, in a fixed order that mixes makers."""
    names = [f"{maker} {model}" for model in kind.models for maker in kind.makers]
    return [f"{name} {kind.variants[index % len(kind.variants)]}" for index, name in enumerate(names)]
