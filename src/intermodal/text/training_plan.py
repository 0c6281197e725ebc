"""What a fine-tuning does: the five strategies, with what they imply filled in."""

from __future__ import annotations

from dataclasses import dataclass

from intermodal.errors import UsageError
from intermodal.text.bert_shape import Shape

STRATEGIES = ("auto", "top_layers", "full", "lora", "freeze")
_RATES = {"auto": 5e-4, "top_layers": 3e-4, "full": 1e-4, "lora": 1e-3, "freeze": 3e-4}
_EPOCHS = {"auto": 3, "top_layers": 2, "full": 3, "lora": 3, "freeze": 2}


@dataclass(frozen=True)
class Wish:
    """What a user asked for; 0 and "" leave the choice to the strategy.

    Attributes:
        strategy: One of `STRATEGIES`.
        epochs: Passes over the training rows.
        learning_rate: Peak learning rate of the encoder; the head's is ten times as high.
        batch_size: Rows in a step.
        frozen_layers: How many lower layers stay as they are, with the embeddings; -1 for none.
        lora_rank: Rank of the updates; only with strategy "lora".
        seed: Of everything random.
    """

    strategy: str = "auto"
    epochs: int = 0
    learning_rate: float = 0.0
    batch_size: int = 32
    frozen_layers: int = 0
    lora_rank: int = 0
    seed: int = 7


@dataclass(frozen=True)
class Plan:
    """A fine-tuning, every choice made.

    Attributes:
        strategy: One of `STRATEGIES`.
        layers: How many of the checkpoint's layers are used, from below.
        frozen_layers: How many of these stay as they are, with the embeddings; 0 for none, embeddings included.
        keep_frozen: Whether the frozen layers' answers are computed once and kept in memory.
        lora_rank: Rank of the updates; 0 for no LoRA.
        dropout: Whether the dropout of the checkpoint's configuration is used while training.
        epochs: Passes over the training rows.
        learning_rate: Peak learning rate of the encoder.
        batch_size: Rows in a step.
        seed: Of everything random.
    """

    strategy: str
    layers: int
    frozen_layers: int
    keep_frozen: bool
    lora_rank: int
    dropout: bool
    epochs: int
    learning_rate: float
    batch_size: int
    seed: int


def make_plan(wish: Wish, shape: Shape) -> Plan:
    """Fill in what a strategy implies.

    "auto" is the recipe with the best accuracy for its time on a CPU: the lower half of the encoder is computed once,
    one layer above it is trained, and what lies above that is left out, since the upper layers of a pretrained encoder
    know more about pre-training than about ratings. "top_layers" trains the upper third of the whole encoder in the
    same way; "freeze" does so without keeping anything in memory; "full" trains every weight; "lora" trains updates
    of low rank to all layers.

    Args:
        wish: What the user asked for.
        shape: Size of the checkpoint's encoder.

    Returns:
        The plan.

    Raises:
        UsageError: A value is out of range, or does not go with the strategy.
    """
    _check(wish, shape)
    frozen = _frozen(wish, shape)
    return Plan(
        strategy=wish.strategy,
        layers=min(shape.layers, frozen + 1) if wish.strategy == "auto" else shape.layers,
        frozen_layers=frozen,
        keep_frozen=wish.strategy in ("auto", "top_layers") and frozen > 0,
        lora_rank=(wish.lora_rank or 8) if wish.strategy == "lora" else 0,
        dropout=wish.strategy != "auto",
        epochs=wish.epochs or _EPOCHS[wish.strategy],
        learning_rate=wish.learning_rate or _RATES[wish.strategy],
        batch_size=wish.batch_size,
        seed=wish.seed,
    )


def _frozen(wish: Wish, shape: Shape) -> int:
    if wish.frozen_layers:
        return max(0, wish.frozen_layers)
    implied = {"auto": shape.layers // 2, "top_layers": shape.layers * 2 // 3, "freeze": shape.layers * 2 // 3}
    return implied.get(wish.strategy, 0)


def _check(wish: Wish, shape: Shape) -> None:
    if wish.strategy not in STRATEGIES:
        raise UsageError("unknown training strategy", seen=wish.strategy, expected=", ".join(STRATEGIES))
    least = {"epochs": 0, "learning_rate": 0, "batch_size": 1, "lora_rank": 0, "frozen_layers": -1}
    for name, lowest in least.items():
        if not getattr(wish, name) >= lowest:  # written so that NaN is refused too
            raise UsageError(f"{name} is too small", seen=getattr(wish, name), expected=f"{lowest} or more")
    if wish.learning_rate > 1:
        raise UsageError("learning_rate is too large", seen=wish.learning_rate, expected="at most 1")
    if wish.frozen_layers >= shape.layers:
        expected = f"at most {shape.layers - 1}: the encoder has {shape.layers} layers and the last is trained"
        raise UsageError("frozen_layers is too large", seen=wish.frozen_layers, expected=expected)
    if wish.lora_rank and wish.strategy != "lora":
        raise UsageError("lora_rank goes with strategy lora only", seen=wish.strategy, next_step="strategy=lora")
    if wish.strategy in ("full", "lora") and wish.frozen_layers > 0:
        next_step = "strategy=top_layers or strategy=freeze"
        raise UsageError(f"frozen_layers does not go with strategy {wish.strategy}", next_step=next_step)
