"""The training loop and what surrounds it: frozen layers, LoRA, batches, plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from intermodal.errors import UsageError
from intermodal.text import lower_layers
from intermodal.text.batches import reading_batches, training_batches
from intermodal.text.bert_weights import load_classifier, read_shape
from intermodal.text.fine_tuning import Listener, prepare, probabilities, train
from intermodal.text.lora import LoraDense, add_lora, merge_lora
from intermodal.text.lower_layers import LowerLayers
from intermodal.text.packed_bert import Classifier
from intermodal.text.token_rows import TokenRows, choose_rows, read_rows
from intermodal.text.training_plan import STRATEGIES, Plan, Wish, make_plan
from tiny_models import save_checkpoint, save_features

SILENT = Listener(lambda loss, step: None, lambda epoch: None, lambda tokens: None)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def rows(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> TokenRows:
    features = save_features(tmp_path_factory.mktemp("features"), checkpoint)
    return read_rows(Path(features.path), "train", 5)


def plan_of(checkpoint: Path, **wished: object) -> Plan:
    return make_plan(Wish(**{"batch_size": 16, **wished}), read_shape(checkpoint))  # type: ignore[arg-type]


def trained(checkpoint: Path, rows: TokenRows, plan: Plan, *, keep: bool = False) -> tuple[Classifier, list[float]]:
    losses: list[float] = []
    torch.manual_seed(plan.seed)
    model = load_classifier(checkpoint, 5, layers=plan.layers)
    prepare(model, plan)
    below = LowerLayers(model, rows, plan.frozen_layers, torch.float32)
    if keep:
        below.keep(lambda tokens: None)
    train(model, below, rows, plan, replace(SILENT, loss=lambda loss, step: losses.append(loss)))
    return model, losses


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_learns_and_trains_exactly_what_it_says(
    strategy: str, checkpoint: Path, rows: TokenRows
) -> None:
    plan = plan_of(checkpoint, strategy=strategy, epochs=3, learning_rate=3e-3)
    model, losses = trained(checkpoint, rows, plan)
    assert losses[-1] < losses[0] - 0.2
    before = load_classifier(checkpoint, 5, layers=plan.layers).state_dict()
    merge_lora(model)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    touched = {int(name.split(".")[1]) for name in changed if name.startswith("layers.")}
    assert touched == set(range(plan.frozen_layers, plan.layers))
    assert ("embeddings.word.weight" in changed) == (strategy == "full")
    assert "output.weight" in changed


def test_lora_leaves_norms_and_embeddings_and_changes_dense_layers(checkpoint: Path, rows: TokenRows) -> None:
    plan = plan_of(checkpoint, strategy="lora", lora_rank=2, epochs=1)
    model, _ = trained(checkpoint, rows, plan)
    merge_lora(model)
    before = load_classifier(checkpoint, 5).state_dict()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[2] for name in changed if name.startswith("layers.")} == {"qkv", "out", "up", "down"}
    difference = model.state_dict()["layers.1.up.weight"] - before["layers.1.up.weight"]
    assert torch.linalg.matrix_rank(difference, rtol=1e-4) == 2


def test_a_fresh_update_changes_nothing_and_a_merged_one_computes_the_same(checkpoint: Path, rows: TokenRows) -> None:
    model = load_classifier(checkpoint, 5).eval()
    few = rows.take(np.arange(20))
    plain = probabilities(model, LowerLayers(model, few, 0, torch.float32), few)
    add_lora(model, 4)
    assert np.array_equal(probabilities(model, LowerLayers(model, few, 0, torch.float32), few), plain)
    for part in model.modules():
        if isinstance(part, LoraDense):
            torch.nn.init.normal_(part.wide, std=0.1)
    adapted = probabilities(model, LowerLayers(model, few, 0, torch.float32), few)
    merge_lora(model)
    merged = probabilities(model, LowerLayers(model, few, 0, torch.float32), few)
    assert np.abs(adapted - plain).max() > 0.01
    np.testing.assert_allclose(merged, adapted, atol=1e-6)
    assert not any(isinstance(part, LoraDense) for part in model.modules())


def test_kept_lower_layers_train_to_nearly_the_same_as_computed_ones(checkpoint: Path, rows: TokenRows) -> None:
    plan = plan_of(checkpoint, strategy="top_layers", epochs=1)
    computed, losses = trained(checkpoint, rows, plan)
    kept, again = trained(checkpoint, rows, plan, keep=True)
    np.testing.assert_allclose(again, losses, atol=2e-3)  # they are kept in 16 bits
    torch.testing.assert_close(kept.output.weight, computed.output.weight, atol=5e-3, rtol=0)


def test_kept_lower_layers_do_not_depend_on_the_number_of_threads(checkpoint: Path, rows: TokenRows) -> None:
    before, found = torch.get_num_threads(), []
    model = load_classifier(checkpoint, 5).eval()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        below = LowerLayers(model, rows, 2, torch.float32)
        below.keep(lambda tokens: None)
        assert torch.get_num_threads() == threads
        found.append(below.states(np.arange(len(rows)))[0])
    torch.set_num_threads(before)
    assert torch.equal(*found)


def test_lower_layers_that_do_not_fit_are_not_kept(
    checkpoint: Path, rows: TokenRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_classifier(checkpoint, 5)
    assert LowerLayers(model, rows, 2, torch.float32).fits
    assert not LowerLayers(model, rows, 0, torch.float32).fits
    monkeypatch.setattr(lower_layers, "LIMIT_BYTES", len(rows.tokens) * 32 * 2 - 1)
    assert not LowerLayers(model, rows, 2, torch.float32).fits


def test_frozen_layers_run_without_dropout(checkpoint: Path, rows: TokenRows) -> None:
    model = load_classifier(checkpoint, 5)
    prepare(model, plan_of(checkpoint, strategy="freeze", frozen_layers=2))
    below = LowerLayers(model, rows, 2, torch.float32)
    first, again = (below.states(np.arange(8))[0] for _ in range(2))
    assert torch.equal(first, again)
    assert model.layers[2].training
    assert not model.layers[1].training


@pytest.mark.parametrize("strategy", ["auto", "full", "lora"])
def test_the_same_seed_trains_to_the_same_bits_and_another_does_not(
    strategy: str, checkpoint: Path, rows: TokenRows
) -> None:
    plan = plan_of(checkpoint, strategy=strategy, epochs=1)
    one, two = (trained(checkpoint, rows, plan)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = trained(checkpoint, rows, replace(plan, seed=8))[0].state_dict()
    assert not torch.equal(other["output.weight"], one["output.weight"])


def test_listeners_hear_of_every_token_and_epoch(checkpoint: Path, rows: TokenRows) -> None:
    plan, tokens, epochs = plan_of(checkpoint, epochs=2), [], []
    torch.manual_seed(0)
    model = load_classifier(checkpoint, 5, layers=plan.layers)
    prepare(model, plan)
    below = LowerLayers(model, rows, plan.frozen_layers, torch.float32)

    def epoch(number: int) -> None:
        assert not model.training
        epochs.append(number)

    train(model, below, rows, plan, Listener(SILENT.loss, epoch, tokens.append))
    assert epochs == [1, 2]
    assert sum(tokens) == 2 * len(rows.tokens)
    assert not model.training


def test_training_batches_hold_every_row_once_with_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(3, 64, 1003)
    batches = training_batches(lengths, 32, seed=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.12 * lengths.sum()
    assert not all(np.array_equal(a, b) for a, b in zip(batches, training_batches(lengths, 32, seed=2), strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(batches, training_batches(lengths, 32, seed=1), strict=True))
    assert sorted(np.concatenate(reading_batches(lengths)).tolist()) == list(range(1003))


def test_rows_are_chosen_evenly_over_the_classes() -> None:
    labels = np.repeat([0, 1, 2], [100, 10, 50])
    chosen = choose_rows(labels, 60, seed=1)
    assert len(chosen) == len(set(chosen.tolist())) == 60
    assert np.bincount(labels[chosen]).tolist() == [25, 10, 25]
    assert np.array_equal(chosen, choose_rows(labels, 60, seed=1))
    assert not np.array_equal(chosen, choose_rows(labels, 60, seed=2))
    for limit in (0, 160, 1000):
        assert np.array_equal(choose_rows(labels, limit, seed=1), np.arange(160))


def test_the_default_plan_reads_half_the_layers_once_and_trains_the_next(checkpoint: Path) -> None:
    plan = plan_of(checkpoint)
    assert (plan.layers, plan.frozen_layers, plan.keep_frozen, plan.dropout) == (3, 2, True, False)
    assert plan_of(checkpoint, frozen_layers=-1).frozen_layers == 0


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        ({"strategy": "best"}, "unknown training strategy"),
        ({"epochs": -1}, "epochs"),
        ({"learning_rate": -0.1}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": 2.0}, "learning_rate"),
        ({"batch_size": 0}, "batch_size"),
        ({"frozen_layers": 4}, "frozen_layers"),
        ({"lora_rank": 4}, "lora_rank"),
        ({"strategy": "full", "frozen_layers": 2}, "frozen_layers"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(wished: dict[str, object], said: str, checkpoint: Path) -> None:
    with pytest.raises(UsageError, match=said):
        plan_of(checkpoint, **wished)
