"""The packed encoder: its logits and gradients are those of transformers, without computing padding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from torch.nn import functional as F

from intermodal.errors import UsageError
from intermodal.text.bert_weights import load_classifier, read_shape
from intermodal.text.checkpoint import resolve_checkpoint
from intermodal.text.packed_bert import Classifier, Layout
from tiny_models import FAMILIES, VOCABULARY, save_checkpoint

LENGTHS = torch.tensor([5, 12, 2, 9, 12])


def rectangle(lengths: torch.Tensor, pad: int, longest: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ids padded to `longest`, and their mask."""
    mask = torch.arange(longest)[None] < lengths[:, None]
    ids = torch.randint(5, len(VOCABULARY), mask.shape, generator=torch.Generator().manual_seed(3))
    return ids.masked_fill(~mask, pad), mask


def reference(directory: Path) -> transformers.PreTrainedModel:
    return transformers.AutoModelForSequenceClassification.from_pretrained(directory, attn_implementation="eager")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lengths", [LENGTHS, torch.full((3,), 12), torch.tensor([7])], ids=["mixed", "full", "one"])
def test_logits_equal_those_of_transformers(family: str, lengths: torch.Tensor, tmp_path: Path) -> None:
    directory = save_checkpoint(tmp_path, family)
    theirs, ours = reference(directory).eval(), load_classifier(directory, 5, "native").eval()
    ids, mask = rectangle(lengths, theirs.config.pad_token_id)
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=mask.long()).logits
        found = ours(ids[mask], lengths)
    assert expected.std() > 0.1  # logits that all but vanish would agree by themselves
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_those_of_transformers(family: str, tmp_path: Path) -> None:
    directory = save_checkpoint(tmp_path, family)
    theirs, ours = reference(directory).eval(), load_classifier(directory, 5, "native").eval()
    ids, mask = rectangle(LENGTHS, theirs.config.pad_token_id)
    labels = torch.tensor([0, 1, 2, 3, 4])
    F.cross_entropy(theirs(input_ids=ids, attention_mask=mask.long()).logits, labels).backward()
    F.cross_entropy(ours(ids[mask], LENGTHS), labels).backward()
    words = next(weight for name, weight in theirs.named_parameters() if name.endswith("word_embeddings.weight"))
    up = "ffn.lin1" if family == "distilbert" else "intermediate.dense"
    inner = [weight for name, weight in theirs.named_parameters() if name.endswith(f"{up}.weight")]
    torch.testing.assert_close(ours.embeddings.word.weight.grad, words.grad, atol=1e-6, rtol=1e-4)
    for layer, weight in zip(ours.layers, inner, strict=True):
        torch.testing.assert_close(layer.up.weight.grad, weight.grad, atol=1e-6, rtol=1e-4)


def test_logits_of_the_embedded_checkpoint_equal_those_of_transformers() -> None:
    directory = resolve_checkpoint()
    theirs = transformers.BertModel.from_pretrained(directory).eval()
    ours = load_classifier(directory, 5, "native").eval()
    ids, mask = rectangle(LENGTHS, 0)
    ids = ids + 2000 * mask
    with torch.no_grad():
        expected = ours.output(theirs(input_ids=ids, attention_mask=mask.long()).pooler_output)
        found = ours(ids[mask], LENGTHS)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_the_last_layer_of_first_tokens_is_the_whole_last_layers_first_row(tmp_path: Path) -> None:
    model = load_classifier(save_checkpoint(tmp_path), 5).eval()
    layout = Layout.of(LENGTHS, torch.float32)
    states = torch.randn(int(LENGTHS.sum()), 32)
    with torch.no_grad():
        whole = model.layers[-1](states, layout)[layout.first()]
        torch.testing.assert_close(model.layers[-1].first_only(states, layout), whole, atol=1e-6, rtol=1e-5)


def test_a_text_is_answered_alike_alone_and_among_longer_ones(tmp_path: Path) -> None:
    model = load_classifier(save_checkpoint(tmp_path), 5).eval()
    ids, mask = rectangle(LENGTHS, 0)
    with torch.no_grad():
        together = model(ids[mask], LENGTHS)
        alone = torch.cat([model(ids[row, :length], length[None]) for row, length in enumerate(LENGTHS)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_bfloat16_stays_near_float32(tmp_path: Path) -> None:
    model = load_classifier(save_checkpoint(tmp_path), 5).eval()
    ids, mask = rectangle(LENGTHS, 0)
    with torch.no_grad():
        exact, rough = model(ids[mask], LENGTHS), model(ids[mask], LENGTHS, torch.bfloat16)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.1 * exact.std()


def test_dropout_changes_logits_while_training_only(tmp_path: Path) -> None:
    model = load_classifier(save_checkpoint(tmp_path), 5)
    ids, mask = rectangle(LENGTHS, 0)
    assert not torch.equal(model(ids[mask], LENGTHS), model(ids[mask], LENGTHS))
    model.eval()
    assert torch.equal(model(ids[mask], LENGTHS), model(ids[mask], LENGTHS))


def test_lower_layers_alone_can_be_kept(tmp_path: Path) -> None:
    directory = save_checkpoint(tmp_path)
    whole, lower = load_classifier(directory, 5), load_classifier(directory, 5, layers=2)
    assert lower.shape == replace(whole.shape, layers=2)
    assert torch.equal(lower.layers[1].up.weight, whole.layers[1].up.weight)


def test_weights_named_as_tensorflow_names_them_are_read(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    directory = save_checkpoint(tmp_path)
    name = "layers.0.norm1.weight"
    expected = load_classifier(directory, 5, "native").state_dict()[name]
    weights = load_file(directory / "model.safetensors")
    old = {key.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): weights[key] for key in weights}
    save_file(old, directory / "model.safetensors", metadata={"format": "pt"})
    assert set(old) != set(weights)
    assert torch.equal(load_classifier(directory, 5, "native").state_dict()[name], expected)


def test_a_head_for_other_classes_is_not_taken_over(tmp_path: Path) -> None:
    directory = save_checkpoint(tmp_path)
    torch.manual_seed(0)
    first = load_classifier(directory, 3, "native")
    assert first.output.weight.shape == (3, 32)
    assert first.output.weight.abs().max() < 0.15
    torch.manual_seed(0)
    assert torch.equal(load_classifier(directory, 3, "native").output.weight, first.output.weight)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "gpt2"}, "gpt2"),
        ({"hidden_act": "silu"}, "silu"),
        ({"position_embedding_type": "relative_key"}, "absolute positions"),
    ],
)
def test_an_encoder_of_another_kind_is_refused(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    import json

    directory = save_checkpoint(tmp_path)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UsageError) as caught:
        read_shape(directory)
    assert said in caught.value.seen


def test_missing_encoder_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    directory = save_checkpoint(tmp_path)
    weights = load_file(directory / "model.safetensors")
    del weights["bert.encoder.layer.3.attention.self.key.weight"]
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError) as caught:
        load_classifier(directory, 5)
    assert "layers.3.qkv.weight" in caught.value.seen


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    directory = save_checkpoint(tmp_path)
    (directory / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UsageError, match="weights cannot be read"):
        load_classifier(directory, 5)


def test_the_longest_text_leaves_out_positions_that_roberta_never_uses(tmp_path: Path) -> None:
    assert read_shape(save_checkpoint(tmp_path / "b", "bert")).longest == 40
    assert read_shape(save_checkpoint(tmp_path / "r", "roberta")).longest == 38


def test_attention_written_out_equals_the_fused_kernel(tmp_path: Path) -> None:
    layer = Classifier(read_shape(save_checkpoint(tmp_path)), 5).layers[0].eval()
    layout = Layout.of(LENGTHS, torch.float32)
    query, key, value = torch.randn(3, len(LENGTHS), 4, 12, 8)
    fused = F.scaled_dot_product_attention(query, key, value, layout.blocked).transpose(1, 2).reshape(-1, 32)
    torch.testing.assert_close(layer._attend(query, key, value, layout), fused, atol=1e-6, rtol=1e-5)
