"""Tiny randomly initialised checkpoints of each family, and features made for them: nothing is downloaded."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from kfp.dsl import Dataset

from intermodal.text.checkpoint import load_tokenizer, tokenizer_digest
from intermodal.text.split_digest import split_digest

_MOODS = (
    ("awful", "broken", "refund", "worst", "useless"),
    ("poor", "slow", "disappointed", "weak", "buggy"),
    ("okay", "average", "fine", "mixed", "acceptable"),
    ("good", "solid", "nice", "helpful", "useful"),
    ("great", "perfect", "love", "excellent", "best"),
)
_FILLER = ("the", "product", "works", "it", "is", "my", "computer", "program", "and", "was", "this", "really", "not")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_FILLER, *(word for mood in _MOODS for word in mood))
FAMILIES = ("bert", "roberta", "distilbert")


def review(label: int, random_: random.Random) -> str:
    """A text whose words carry its rating; one word in four is from a neighbouring rating."""
    words = []
    for _ in range(random_.randint(2, 14)):
        mood = min(4, max(0, label + random_.choice((0, 0, 0, 0, 0, 0, -1, 1))))
        words.append(random_.choice(_MOODS[mood] if random_.random() < 0.4 else _FILLER))
    return " ".join([*words, random_.choice(_MOODS[label])])


def save_checkpoint(directory: Path, family: str = "bert", seed: int = 0, **changes: Any) -> Path:
    """A tiny checkpoint as transformers writes it, with a WordPiece tokenizer.

    Args:
        directory: Where to write it.
        family: One of `FAMILIES`.
        seed: Of its weights.
        **changes: Entries of its configuration.
    """
    import torch
    import transformers

    torch.manual_seed(seed)
    common: dict[str, Any] = {"vocab_size": len(VOCABULARY), "num_labels": 5, "pad_token_id": 0}
    sizes: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64,
        "max_position_embeddings": 40,
    }  # fmt: skip
    if family == "distilbert":
        sizes = {"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 40}
    kinds = {
        "bert": (transformers.BertConfig, transformers.BertForSequenceClassification),
        "roberta": (transformers.RobertaConfig, transformers.RobertaForSequenceClassification),
        "distilbert": (transformers.DistilBertConfig, transformers.DistilBertForSequenceClassification),
    }
    config, model = kinds[family]
    if family == "roberta":
        common["pad_token_id"] = 1
    built = model(config(**common | sizes | changes))
    with torch.no_grad():  # larger than at initialisation, or every logit is nearly zero and proves nothing
        for weight in built.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    built.save_pretrained(directory)
    save_tokenizer(directory)
    return directory


def save_tokenizer(directory: Path) -> None:
    """Write `tokenizer.json` of a lower-casing WordPiece over `VOCABULARY`."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    tokenizer = Tokenizer(WordPiece({word: number for number, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(directory / "tokenizer.json"))


def save_features(directory: Path, checkpoint: Path, rows: int = 400, length: int = 12, seed: int = 1) -> Dataset:
    """Features as `featurize` writes them, of texts whose words carry the rating.

    Args:
        directory: Where to write them.
        checkpoint: Whose tokenizer.
        rows: Training rows; a quarter as many for validation and for test.
        length: Longest row in tokens.
        seed: Of the texts.
    """
    random_, tokenizer = random.Random(seed), load_tokenizer(checkpoint)
    tokenizer.enable_truncation(length)
    splits = {}
    for split, count in (("train", rows), ("validation", rows // 4), ("test", rows // 4)):
        labels = [number % 5 for number in range(count)]
        texts = [review(label, random_) for label in labels]
        ids = [item.ids for item in tokenizer.encode_batch(texts)]
        columns = {
            "review_id": [f"{split}{number}" for number in range(count)],
            "text": texts,
            "product_category": ["Software"] * count,
            "input_ids": pa.array(ids, pa.list_(pa.int32())),
            "label_ids": pa.array(labels, pa.int32()),
            "tokens": pa.array(list(map(len, ids)), pa.int32()),
        }
        (directory / f"split={split}").mkdir(parents=True)
        pq.write_table(pa.table(columns), directory / f"split={split}" / "part-00000.parquet")
        splits[split] = {"rows": count, "digest": split_digest(columns["review_id"], texts, labels)}
    metadata = {
        "splits": splits,
        "max_seq_length": length,
        "checkpoint": checkpoint.name,
        "tokenizer_digest": tokenizer_digest(checkpoint),
        "labels": ["1", "2", "3", "4", "5"],
    }
    return Dataset(name="features", uri=str(directory), metadata=metadata)


def features_in(folder: Path, **options: Any) -> Dataset:
    """Features as `save_features` writes them, in FOLDER/features, with a tokenizer of their own.

    Args:
        folder: Made when it is not there.
        **options: Of `save_features`.
    """
    (folder / "checkpoint").mkdir(parents=True)
    save_tokenizer(folder / "checkpoint")
    return save_features(folder / "features", folder / "checkpoint", **options)
