"""TF-IDF features and linear models: scikit-learn's features exactly, the same in training and in prediction."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from intermodal.text import linear_training, ngrams
from intermodal.text.linear_training import REVIEW_WORD, STANDARD_WORD, fit_ordinal, fit_standard, learn_features
from intermodal.text.ngrams import LinearModel, exceeding_logits, from_exceeding, tfidf
from tiny_models import review

ODD = ["", "!!!", "a", "Größe ist GROSS größe", "東京 東京 good", "good\u00a0good\ngood", "x" * 500, "good " * 300]


def corpus(rows: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    random_ = random.Random(seed)
    labels = np.arange(rows) % 5
    return [review(int(label), random_) for label in labels], labels


def dense(rows: ngrams.Sparse, width: int) -> np.ndarray:
    filled = np.zeros((rows.rows, width))
    filled[rows.owners, rows.indices] = rows.data
    return filled


def names(vocabulary: ngrams.Vocabulary) -> list[str]:
    words, size = list(vocabulary.words), len(vocabulary.words)
    return words + [f"{words[pair // size]} {words[pair % size]}" for pair in vocabulary.pairs.tolist()]


@pytest.mark.parametrize(("pattern", "smallest"), [(STANDARD_WORD, 2), (STANDARD_WORD, 1), (REVIEW_WORD, 3)])
def test_features_are_those_of_scikit_learn(pattern: str, smallest: int) -> None:
    texts = corpus(300)[0] + ODD
    theirs = TfidfVectorizer(token_pattern=pattern, ngram_range=(1, 2), min_df=smallest, sublinear_tf=True)
    expected = theirs.fit_transform(texts).toarray()
    vocabulary, idf, rows = learn_features(texts, pattern, smallest)
    assert sorted(names(vocabulary)) == sorted(theirs.vocabulary_)
    columns = [theirs.vocabulary_[name] for name in names(vocabulary)]
    np.testing.assert_allclose(dense(rows, len(vocabulary)), expected[:, columns], atol=1e-14)
    unseen = corpus(50, seed=9)[0] + ["never met before", *ODD]
    found = dense(tfidf(vocabulary.count(unseen), idf), len(vocabulary))
    np.testing.assert_allclose(found, theirs.transform(unseen).toarray()[:, columns], atol=1e-14)


@pytest.mark.parametrize("block", [1, 7, 20_000])
def test_training_and_prediction_see_the_same_features_bit_by_bit(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "BLOCK", block)
    monkeypatch.setattr(linear_training, "BLOCK", block)
    texts = corpus(60)[0] + ODD
    vocabulary, idf, rows = learn_features(texts, REVIEW_WORD, 2)
    again = tfidf(vocabulary.count(texts), idf)
    for name in ("data", "indices", "indptr"):
        assert np.array_equal(getattr(rows, name), getattr(again, name)), name


def test_a_larger_corpus_wants_terms_in_more_texts() -> None:
    texts = ["rare word"] * 3 + ["common text"] * 99_997
    assert "rare" not in learn_features(texts, REVIEW_WORD, 2)[0].words
    assert "rare" in learn_features(texts[:1000], REVIEW_WORD, 2)[0].words


def test_the_standard_model_answers_as_scikit_learns_pipeline_does() -> None:
    texts, labels = corpus(1000)
    unseen, truth = corpus(200, seed=5)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    theirs = LogisticRegression(C=2.0, max_iter=1000).fit(vectorizer.fit_transform(texts), labels)
    expected = theirs.predict_proba(vectorizer.transform(unseen))
    found = fit_standard(texts, labels, 5, seed=0).predict_proba(unseen)
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert (found.argmax(axis=1) == truth).mean() > 0.6


def test_the_ordinal_model_learns_and_errs_near_the_truth() -> None:
    texts, labels = corpus(1000)
    unseen, truth = corpus(200, seed=5)
    found = fit_ordinal(texts, labels, 5, seed=0).predict_proba(unseen)
    predicted = found.argmax(axis=1)
    assert (predicted == truth).mean() > 0.6
    assert (abs(predicted - truth) <= 1).mean() > 0.9
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("fit", [fit_standard, fit_ordinal])
@pytest.mark.parametrize("present", [[0, 1, 2, 3, 4], [1, 3], [0, 4], [2, 3, 4]])
def test_classes_that_never_occur_are_never_answered(fit: object, present: list[int]) -> None:
    texts, labels = corpus(300)
    kept = np.flatnonzero(np.isin(labels, present))
    model = fit([texts[row] for row in kept], labels[kept], 5, seed=0)  # type: ignore[operator]
    found = model.predict_proba(texts)
    assert found.shape == (300, 5)
    assert set(found.argmax(axis=1)) == set(present)


def test_the_same_seed_gives_the_same_files_and_they_load_again(tmp_path: Path) -> None:
    texts, labels = corpus(200)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fit_ordinal(texts, labels, 5, seed=3).save(tmp_path / name)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    model = fit_ordinal(texts, labels, 5, seed=3)
    assert np.array_equal(LinearModel.load(tmp_path / "one").predict_proba(ODD), model.predict_proba(ODD))


def test_no_texts_give_no_answers() -> None:
    texts, labels = corpus(50)
    assert fit_ordinal(texts, labels, 5, seed=0).predict_proba([]).shape == (0, 5)


def test_texts_without_a_known_word_get_the_bias_alone() -> None:
    texts, labels = corpus(200)
    found = fit_standard(texts, labels, 5, seed=0).predict_proba(["zzz", "", "?"])
    assert np.isfinite(found).all()
    assert np.array_equal(found[0], found[1])


def test_questions_and_classes_are_two_ways_to_say_the_same() -> None:
    classes = np.array([[0.1, 0.2, 0.3, 0.25, 0.15], [0.2, 0.2, 0.2, 0.2, 0.2]])
    odds = exceeding_logits(classes)
    np.testing.assert_allclose(odds[1], np.log([4, 1.5, 2 / 3, 0.25]))
    np.testing.assert_allclose(from_exceeding(1 / (1 + np.exp(-odds))), classes, atol=1e-12)


def test_contradicting_questions_still_give_probabilities() -> None:
    found = from_exceeding(np.array([[0.2, 0.9, 0.1, 0.5]]))
    assert found.min() > 0
    np.testing.assert_allclose(found.sum(), 1)
