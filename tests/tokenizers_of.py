"""Small tokenizers of each kind, trained on the spot: nothing is downloaded."""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import RobertaProcessing
from tokenizers.trainers import BpeTrainer

from intermodal.text.checkpoint import load_tokenizer, resolve_checkpoint

SENTENCES = ["the product works well", "it does not work at all", "five stars, would buy again!", "waste of money"] * 3


def bert() -> Tokenizer:
    """The tokenizer of the embedded default: BERT's uncased WordPiece."""
    return load_tokenizer(resolve_checkpoint(weights=False))


def roberta() -> Tokenizer:
    """A byte-level BPE with RoBERTa's special tokens around the text."""
    tokenizer = Tokenizer(BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        SENTENCES, BpeTrainer(special_tokens=special, initial_alphabet=alphabet, vocab_size=400)
    )
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def bert_with(*added: AddedToken | str) -> Tokenizer:
    """BERT's tokenizer with further added tokens."""
    tokenizer = bert()
    tokenizer.add_tokens(list(added))
    return tokenizer
