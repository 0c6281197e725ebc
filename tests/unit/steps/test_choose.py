"""The step `choose`, called as a plain function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from candidates import evaluate_model, make_features, make_model
from intermodal.errors import DataRejected, UsageError
from intermodal.steps.choose import choose
from intermodal.text.held_out import model_digest
from mlflow_cases import WORDS

WORSE = {**WORDS, "great": 1}


def contender(folder: Path, features: Dataset, words: dict[str, int]) -> tuple[Model, Dataset]:
    model = make_model(folder / "model", words)
    return model, evaluate_model(model, features, folder).evaluation


def run(folder: Path, *pairs: tuple[Model, Dataset], **parameters: object) -> dict[str, object]:
    kinds = {"model": Model, "evaluation": Dataset, "choice": Dataset, "report": HTML, "notes": Markdown}
    made = {name: kind(name=name, uri=str(folder / name), metadata={}) for name, kind in kinds.items()}
    made["metrics"] = Metrics(name="metrics", uri=str(folder / "metrics"), metadata={})
    third = {"third_model": pairs[2][0], "third_evaluation": pairs[2][1]} if len(pairs) > 2 else {}
    choose(*pairs[0], *pairs[1], **made, **third, **parameters)  # type: ignore[arg-type]
    return made


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_features(tmp_path_factory.mktemp("features") / "features")


def test_the_best_is_copied_with_its_digest(features: Dataset, tmp_path: Path) -> None:
    worse, best = contender(tmp_path / "a", features, WORSE), contender(tmp_path / "b", features, WORDS)
    (Path(best[0].path) / "manifest.json").write_text(json.dumps({"digest": model_digest(Path(best[0].path))}))
    made = run(tmp_path / "out", worse, best, names=["worse", "best"])
    said = json.loads((Path(made["choice"].path) / "choice.json").read_text())
    assert (said["best"], [item["name"] for item in said["ranking"]]) == ("best", ["best", "worse"])
    copied = Path(made["model"].path)
    assert not (copied / "manifest.json").exists()
    assert model_digest(copied) == model_digest(Path(best[0].path))
    assert (Path(made["evaluation"].path) / "evaluation.json").read_bytes() == (
        Path(best[1].path) / "evaluation.json"
    ).read_bytes()
    assert made["metrics"].metadata["chosen"] == 2
    assert made["metrics"].metadata["best_accuracy"] > made["metrics"].metadata["worse_accuracy"]
    assert "best is the best by accuracy" in Path(made["notes"].path).read_text()
    assert "best is the best of 2" in Path(made["report"].path).read_text()


def test_a_tie_goes_to_the_one_given_first(features: Dataset, tmp_path: Path) -> None:
    pairs = [contender(tmp_path / name, features, WORDS) for name in "abc"]
    assert run(tmp_path / "out", *pairs)["choice"].metadata["best"] == "first"
    assert run(tmp_path / "two", *pairs, metric="mae")["choice"].metadata["best"] == "first"


def test_less_is_better_for_errors(features: Dataset, tmp_path: Path) -> None:
    pairs = [contender(tmp_path / "a", features, WORSE), contender(tmp_path / "b", features, WORDS)]
    assert run(tmp_path / "out", *pairs, metric="mae")["choice"].metadata["best"] == "second"


def test_models_of_different_splits_do_not_compare(features: Dataset, tmp_path: Path) -> None:
    other = contender(tmp_path / "b", make_features(tmp_path / "other", shift="S"), WORDS)
    with pytest.raises(DataRejected, match="different splits"):
        run(tmp_path / "out", contender(tmp_path / "a", features, WORDS), other)


def test_an_evaluation_of_another_model_is_refused(features: Dataset, tmp_path: Path) -> None:
    one, two = contender(tmp_path / "a", features, WORDS), contender(tmp_path / "b", features, WORSE)
    with pytest.raises(DataRejected, match="given for second is of another model"):
        run(tmp_path / "out", one, (two[0], one[1]))


@pytest.mark.parametrize("wrong", [{"metric": "speed"}, {"names": ["one"]}, {"names": ["one", "one"]}])
def test_wrong_parameters_are_refused(wrong: dict[str, object], features: Dataset, tmp_path: Path) -> None:
    pairs = [contender(tmp_path / "a", features, WORDS), contender(tmp_path / "b", features, WORDS)]
    with pytest.raises(UsageError):
        run(tmp_path / "out", *pairs, **wrong)
