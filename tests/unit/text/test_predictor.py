"""A model directory stands alone: it answers without this package, alike wherever it lies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from intermodal.errors import ArtifactCorrupt
from intermodal.text.bert_weights import load_classifier
from intermodal.text.checkpoint import load_tokenizer
from intermodal.text.combining import fit_combination
from intermodal.text.linear_training import fit_ordinal
from intermodal.text.model_files import ModelWriter, model_metadata
from intermodal.text.predictor_loading import load_predictor
from intermodal.text.token_rows import read_rows
from tiny_models import FAMILIES, review, save_checkpoint, save_features

LABELS = ["1", "2", "3", "4", "5"]
ODD = ["", "   ", "good \u0000 text", "東京 😀", "love " * 500, "It's [SEP] great", "a"]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of both parts, of an untrained encoder."""
    folder = tmp_path_factory.mktemp("model")
    checkpoint = save_checkpoint(folder / "checkpoint", request.param)
    features = Path(save_features(folder / "features", checkpoint).path)
    train, held_out = (read_rows(features, split, 5) for split in ("train", "validation"))
    writer = ModelWriter(folder / "model", LABELS)
    linear = fit_ordinal(train.texts, train.labels, 5, seed=0)
    writer.add_linear(linear)
    torch.manual_seed(0)
    writer.add_encoder(load_classifier(checkpoint, 5, layers=3), load_tokenizer(checkpoint), 12)
    part = linear.predict_proba(held_out.texts)
    writer.add_combination(fit_combination([part, part[:, ::-1]], held_out.labels))
    writer.finish({"checkpoint": "tiny", "recipe": {}})
    return folder / "model"


def test_answers_are_probabilities_whatever_the_text(model: Path) -> None:
    found = load_predictor(model).predict_proba(ODD)
    assert found.dtype == np.float32
    assert found.shape == (len(ODD), 5)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert load_predictor(model).predict_proba([]).shape == (0, 5)


def test_answers_do_not_depend_on_what_else_is_asked(model: Path) -> None:
    import random

    predictor, random_ = load_predictor(model), random.Random(0)
    texts = ODD + [review(number % 5, random_) for number in range(200)]
    together = predictor.predict_proba(texts)
    alone = np.concatenate([predictor.predict_proba([text]) for text in texts[:20]])
    np.testing.assert_allclose(together[:20], alone, atol=1e-5)


def test_the_neural_part_is_the_classifier_on_the_features_own_token_ids(model: Path) -> None:
    features = model.parent / "features"
    rows = read_rows(features, "test", 5)
    neural = next(part for part in load_predictor(model)._parts if hasattr(part, "encode"))  # type: ignore[attr-defined]
    assert neural.encode(rows.texts) == [row.tolist() for row in np.split(rows.tokens, rows.offsets[1:-1])]
    torch.manual_seed(0)
    classifier = load_classifier(model.parent / "checkpoint", 5, layers=3).eval()
    with torch.no_grad():
        logits = classifier(torch.from_numpy(rows.tokens), torch.from_numpy(rows.lengths))
    np.testing.assert_allclose(neural(rows.texts), logits.double().softmax(dim=1), atol=1e-6)


ALONE = """
import sys
sys.path = [entry for entry in sys.path if "intermodal" not in entry and not entry.endswith("/src")]
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, {model!r})
import json
from predictor import Predictor
print(json.dumps(Predictor({model!r}).predict_proba({texts!r}).tolist()))
"""


def ask_alone(model: Path, absent: list[str], texts: list[str]) -> np.ndarray:
    """What the model answers in a process that cannot import `absent`."""
    code = ALONE.format(absent=absent, model=str(model), texts=texts)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=model.parent)
    assert run.returncode == 0, run.stderr
    return np.array(json.loads(run.stdout))


def test_a_moved_copy_answers_the_same_without_this_package(model: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(model, tmp_path / "elsewhere")
    found = ask_alone(moved, ["intermodal", "transformers", "sklearn", "scipy", "pandas", "pyarrow"], ODD[3:])
    np.testing.assert_allclose(found, load_predictor(model).predict_proba(ODD[3:]), atol=1e-6)


def test_a_linear_model_needs_numpy_alone(tmp_path: Path) -> None:
    writer = ModelWriter(tmp_path / "model", LABELS)
    writer.add_linear(
        fit_ordinal(["good", "bad", "good thing", "bad thing"] * 3, np.array([4, 0, 4, 0] * 3), 5, seed=0)
    )
    writer.finish({})
    absent = ["intermodal", "torch", "tokenizers", "safetensors", "sklearn", "scipy"]
    found = ask_alone(tmp_path / "model", absent, ["good", "bad"])
    assert found.argmax(axis=1).tolist() == [4, 0]
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    assert facts["requirements"] == [f"numpy=={np.__version__}"]
    assert facts["kind"] == "tfidf"


def test_nothing_in_a_model_is_a_pickle_or_names_where_it_was_made(model: Path) -> None:
    files = sorted(path.name for path in model.iterdir())
    assert files == [
        "combination.json", "encoder.safetensors", "linear.npz", "model.json", "ngrams.py", "packed_bert.py",
        "predictor.py", "tokenizer.json", "vocabulary.json",
    ]  # fmt: skip
    with np.load(model / "linear.npz", allow_pickle=False) as arrays:
        assert {array.dtype.kind for array in arrays.values()} == {"f", "i"}
    for path in model.iterdir():
        content = path.read_bytes()
        assert b"\x80\x04\x95" not in content[:64], path.name
        assert str(model.parent).encode() not in content, path.name


def test_requirements_are_versions_that_an_index_has(model: Path) -> None:
    requirements = json.loads((model / "model.json").read_text())["requirements"]
    assert [item.partition("==")[0] for item in requirements] == ["numpy", "safetensors", "tokenizers", "torch"]
    assert not any("+" in item for item in requirements)


def test_two_versions_answer_side_by_side(model: Path, tmp_path: Path) -> None:
    other = shutil.copytree(model, tmp_path / "other")
    source = (other / "ngrams.py").read_text()
    changed = source.replace("FLOOR = 1e-3", "FLOOR = 0.1")
    assert changed != source
    (other / "ngrams.py").write_text(changed)
    before = load_predictor(model).predict_proba(ODD)
    assert load_predictor(other).predict_proba(ODD).min() > before.min()
    assert np.array_equal(load_predictor(model).predict_proba(ODD), before)


@pytest.mark.parametrize("name", ["predictor.py", "model.json", "encoder.safetensors", "ngrams.py", "vocabulary.json"])
def test_a_damaged_model_is_one_clear_error(name: str, model: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(model, tmp_path / "damaged")
    (damaged / name).unlink()
    with pytest.raises(ArtifactCorrupt):
        load_predictor(damaged)
    (damaged / name).write_bytes(b"{\x00")
    with pytest.raises(ArtifactCorrupt):
        load_predictor(damaged)


def test_a_model_says_which_splits_are_behind_it() -> None:
    features = {"splits": {"train": {"rows": 3, "digest": "aa"}, "test": {"rows": 1, "digest": "bb"}}}
    found = model_metadata(features, "bert", {"validation_accuracy": 0.5})
    assert found == {
        "kind": "bert", "train_digest": "aa", "test_digest": "bb", "validation": {"validation_accuracy": 0.5},
    }  # fmt: skip
