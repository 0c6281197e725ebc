"""The step `train_tensorflow`: equal to PyTorch before training, deterministic, and answered without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from candidates import evaluate_model
from intermodal.errors import UsageError
from intermodal.steps.train_tensorflow import train_tensorflow
from intermodal.text.bert_shape import read_shape
from intermodal.text.predictor_loading import load_predictor
from intermodal.text.tensorflow_place import prepare_tensorflow
from intermodal.text.token_rows import TokenRows, read_rows
from tiny_models import VOCABULARY, save_checkpoint, save_features

if find_spec("tensorflow") is None or find_spec("keras_hub") is None:
    pytest.skip("TensorFlow is not installed: pip install 'intermodal[tensorflow]'", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_step() -> None:
    """As many threads as a step has, also for what is computed here before the first training."""
    prepare_tensorflow(1)


def run(features: Dataset, folder: Path, **parameters: object) -> tuple[Model, Metrics]:
    model = Model(name="model", uri=str(folder / "model"), metadata={})
    curves = Dataset(name="curves", uri=str(folder / "curves"), metadata={})
    metrics = Metrics(name="metrics", uri=str(folder / "metrics"), metadata={})
    report = HTML(name="report", uri=str(folder / "report.html"), metadata={})
    notes = Markdown(name="notes", uri=str(folder / "notes.md"), metadata={})
    train_tensorflow(features, model, curves, metrics, report, notes, **parameters)  # type: ignore[arg-type]
    return model, metrics


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="module")
def features(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return save_features(tmp_path_factory.mktemp("features") / "features", checkpoint)


@pytest.fixture(scope="module")
def trained(features: Dataset, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Metrics]:
    return run(features, tmp_path_factory.mktemp("trained"), checkpoint=str(checkpoint), learning_rate=2e-3)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def texts_of_ids() -> tuple[np.ndarray, np.ndarray]:
    """Two rows of token ids, the second of them padded; and where they are real."""
    random = np.random.default_rng(3)
    ids = random.integers(5, len(VOCABULARY), (2, 9))
    real = np.ones((2, 9), bool)
    ids[1, 6:], real[1, 6:] = 0, False
    return ids, real


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("bert", {}),
        ("bert", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5}),
        ("bert", {"hidden_act": "relu"}),
        ("distilbert", {}),
    ],
    ids=["bert", "bert-tanh", "bert-relu", "distilbert"],
)
def test_logits_are_pytorchs_before_training(family: str, changes: dict[str, object], tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    from intermodal.text.keras_weights import load_keras_classifier

    directory = save_checkpoint(tmp_path / family, family, **changes)
    ids, real = texts_of_ids()
    theirs = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    with torch.inference_mode():
        expected = theirs(torch.tensor(ids), attention_mask=torch.tensor(real.astype(int))).logits.numpy()
    ours = load_keras_classifier(directory, read_shape(directory), 5, dropout=True, seed=1)
    found = np.asarray(ours.logits(ids, real))
    assert np.abs(expected).max() > 0.1  # or nearness would prove nothing
    np.testing.assert_allclose(found, expected, atol=2e-5)
    whole = ours.encode(ours.embed(ids), real, 0, len(ours.layers))[:, 0]
    below = ours.encode(ours.embed(ids), real, 0, len(ours.layers) - 1)
    np.testing.assert_allclose(np.asarray(ours._first_only(below, real, False)), np.asarray(whole), atol=1e-5)


def test_a_trained_model_is_loaded_by_transformers_and_by_its_own_predictor(
    trained: tuple[Model, Metrics], features: Dataset
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = Path(trained[0].path)
    theirs, tokenizer = AutoModelForSequenceClassification.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    assert theirs.config.id2label == {number: str(number + 1) for number in range(5)}
    assert theirs.config.num_hidden_layers == json.loads((model / "model.json").read_text())["recipe"]["layers"]
    texts = read_rows(Path(features.path), "test", 5).texts[:5]
    expected = []
    for text in texts:
        ids = torch.tensor([tokenizer(text, truncation=True)["input_ids"]])
        with torch.inference_mode():
            expected.append(theirs.eval()(ids).logits.softmax(-1).numpy()[0])
    predictor = load_predictor(model)
    encoder = predictor._parts[1]  # type: ignore[attr-defined]
    np.testing.assert_allclose(encoder(texts), np.array(expected), atol=1e-5)


def test_what_it_writes_is_what_keras_computed(trained: tuple[Model, Metrics], features: Dataset) -> None:
    validation = read_rows(Path(features.path), "validation", 5)
    encoder = load_predictor(trained[0].path)._parts[1]  # type: ignore[attr-defined]
    right = (encoder(validation.texts).argmax(axis=1) == validation.labels).mean()
    assert right == pytest.approx(trained[1].metadata["validation_bert_accuracy"], abs=0.011)  # one row of 100


def test_it_learns_and_is_evaluated_as_any_model(
    trained: tuple[Model, Metrics], features: Dataset, tmp_path: Path
) -> None:
    model, metrics = trained
    assert metrics.metadata["validation_bert_accuracy"] > 0.4  # chance is 0.2
    assert model.metadata["kind"] == "bert+tfidf"
    made = evaluate_model(model, features, tmp_path)
    assert made.metrics.metadata["accuracy"] > 0.6
    assert any(
        item.startswith("torch==") for item in json.loads((Path(model.path) / "model.json").read_text())["requirements"]
    )


def test_curves_tell_the_training(trained: tuple[Model, Metrics]) -> None:
    table = pq.read_table(Path(trained[0].path).parent / "curves" / "curves.parquet").to_pydict()
    losses = [value for name, value in zip(table["series"], table["value"], strict=True) if name == "train_loss"]
    assert losses[-1] < losses[0] - 0.1
    assert table["series"].count("validation_accuracy") == 3  # epochs of strategy auto


def test_the_same_seed_gives_the_same_bytes_with_dropout(features: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(features, tmp_path / name, checkpoint=str(checkpoint), strategy="full", epochs=1, train_rows=100)
    one, two = (files(tmp_path / name) for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_frozen_layers_stay_and_keeping_them_changes_nothing_but_rounding(checkpoint: Path, features: Dataset) -> None:
    from intermodal.text.keras_lower import KeptLayers, traced_lower
    from intermodal.text.keras_weights import load_keras_classifier

    model = load_keras_classifier(checkpoint, replace(read_shape(checkpoint), layers=3), 5, dropout=False, seed=1)
    rows: TokenRows = read_rows(Path(features.path), "test", 5)
    computed, kept = (KeptLayers(model, rows, 2, traced_lower(model, 2)) for _ in range(2))
    done: list[int] = []
    kept.keep(done.append)
    assert sum(done) == len(rows.tokens)
    batch = np.array([5, 3, 17])
    (one, real), (two, also) = computed.given(batch), kept.given(batch)
    assert np.array_equal(real, also)
    np.testing.assert_allclose(np.asarray(one)[real], np.asarray(two)[real], atol=5e-3)


def test_frozen_weights_are_the_checkpoints(trained: tuple[Model, Metrics], checkpoint: Path) -> None:
    from safetensors.numpy import load_file

    before, after = load_file(checkpoint / "model.safetensors"), load_file(Path(trained[0].path) / "model.safetensors")
    same = [name for name in after if np.array_equal(before[name], after[name])]
    layers = json.loads((Path(trained[0].path) / "model.json").read_text())["recipe"]["frozen_layers"]
    assert layers == 2
    assert {name for name in after if ".embeddings." in name or ".layer.0." in name or ".layer.1." in name} == set(same)


def test_a_roberta_checkpoint_is_refused_with_what_is_supported(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "roberta", "roberta")
    features = save_features(tmp_path / "features", checkpoint)
    with pytest.raises(UsageError, match="does not know this kind of checkpoint") as caught:
        run(features, tmp_path, checkpoint=str(checkpoint))
    assert (caught.value.seen, caught.value.expected) == ("roberta", "bert or distilbert")
    assert not (tmp_path / "model").exists()


def test_lora_and_a_checkpoint_without_weights_are_refused(features: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no LoRA"):
        run(features, tmp_path, checkpoint=str(checkpoint), strategy="lora")
    from safetensors.numpy import load_file, save_file

    broken = save_checkpoint(tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["bert.encoder.layer.1.output.dense.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match="lacks weights of its encoder") as caught:
        run(features, tmp_path, checkpoint=str(broken))
    assert caught.value.seen == "layers.1.down.weight"


def test_nothing_else_imports_tensorflow_and_its_absence_is_told() -> None:
    code = """
import sys
import intermodal.text.training, intermodal.text.keras_learner, intermodal.steps.train_tensorflow
import intermodal.steps.evaluate, intermodal.text.predictor_loading
assert not {"tensorflow", "keras", "torch"} & set(sys.modules), "imported too early"
sys.modules["keras_hub"] = None
from intermodal.text.tensorflow_place import prepare_tensorflow
try:
    prepare_tensorflow(1)
except Exception as error:
    print(type(error).__name__, error.seen, "|", error.next_step)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("UsageError")
    assert "keras_hub" in done.stdout
    assert "intermodal[tensorflow]" in done.stdout


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setitem(sys.modules, "keras", None)  # as in a process that has not imported it
    with pytest.raises(UsageError, match="another backend") as caught:
        prepare_tensorflow(1)
    assert caught.value.seen == "jax"


@pytest.mark.shared
def test_real_reviews_are_rated_far_better_than_by_chance(shared: Path, tmp_path: Path) -> None:
    """4,000 real reviews, one epoch; chance is 0.2."""
    import gzip
    from itertools import islice

    from intermodal.steps.featurize import featurize
    from intermodal.steps.ingest import ingest

    raw = shared / "data" / "amazon_reviews_us_Digital_Software_v1_00.tsv.gz"
    with gzip.open(raw, "rb") as given:
        (tmp_path / "some.tsv").write_bytes(b"".join(islice(given, 20_000)))
    names = ("reviews", "quarantine", "features")
    reviews, quarantine, features = (Dataset(name=name, uri=str(tmp_path / name), metadata={}) for name in names)
    ignored = Metrics(name="metrics", uri=str(tmp_path / "metrics"), metadata={})
    ingest(reviews, quarantine, ignored, source=str(tmp_path / "some.tsv"))
    featurize(reviews, features, ignored)
    _model, metrics = run(features, tmp_path / "trained", train_rows=4000, epochs=1)
    assert metrics.metadata["validation_bert_accuracy"] > 0.38
    assert metrics.metadata["validation_accuracy"] > 0.44
