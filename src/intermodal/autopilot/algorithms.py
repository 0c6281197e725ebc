"""The algorithms that Autopilot tries, each a way from texts to probabilities that becomes a model of the usual layout.

All read TF-IDF features of words and pairs of words. Trees read a projection of them (latent semantic analysis,
Deerwester et al. 1990), since a tree that asks for one word at a time learns little from short texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from intermodal.core.search_space import CONTINUOUS, INTEGER, Range
from intermodal.errors import UsageError
from intermodal.text.linear_training import STANDARD_WORD, fit_ordinal, fit_standard, learn_features
from intermodal.text.ngrams import LinearModel, Sparse, tfidf
from intermodal.text.trees_part import Forest, TreeModel

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.model_files import ModelWriter


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    Attributes:
        texts: Their texts.
        labels: Their classes, int64, shape (n,).
        classes: Number of classes, C.
    """

    texts: Sequence[str]
    labels: np.ndarray
    classes: int


@dataclass(frozen=True)
class Fitted:
    """A trained candidate.

    Attributes:
        model: What was learned.
        kind: "tfidf" or "trees": which part of a model directory it becomes.
    """

    model: LinearModel | TreeModel
    kind: str

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, shape (len(texts), C), float64; rows sum to 1."""
        if isinstance(self.model, TreeModel):
            return self.model.predict_proba(texts, tfidf)
        return self.model.predict_proba(texts)

    def add_to(self, writer: ModelWriter) -> None:
        """Become a part of a model directory."""
        if isinstance(self.model, TreeModel):
            writer.add_trees(self.model)
        else:
            writer.add_linear(self.model)


@dataclass(frozen=True)
class Algorithm:
    """One algorithm.

    Attributes:
        name: Its name.
        title: What it is, for people.
        space: What may vary.
        first: Values of the first candidate.
        fit: Learns: rows, values, seed.
    """

    name: str
    title: str
    space: tuple[Range, ...]
    first: dict[str, Any]
    fit: Callable[[Rows, dict[str, Any], int], Fitted]


def fit_candidate(algorithm: str, rows: Rows, parameters: dict[str, Any], seed: int) -> Fitted:
    """Train one candidate; the same arguments give the same model.

    Args:
        algorithm: Its name.
        rows: Rows to learn from.
        parameters: Values of what varies.
        seed: Of everything random.

    Raises:
        UsageError: There is no such algorithm.
    """
    return algorithm_named(algorithm).fit(rows, parameters, seed)


def algorithm_named(name: str) -> Algorithm:
    """The algorithm of a name.

    Raises:
        UsageError: There is none.
    """
    if name not in ALGORITHMS:
        raise UsageError("there is no such algorithm", seen=name, expected=", ".join(ALGORITHMS))
    return ALGORITHMS[name]


def _logistic(rows: Rows, values: dict[str, Any], seed: int) -> Fitted:
    found = fit_standard(rows.texts, rows.labels, rows.classes, seed, values["strength"], values["min_texts"])
    return Fitted(found, "tfidf")


def _ordinal(rows: Rows, values: dict[str, Any], seed: int) -> Fitted:
    found = fit_ordinal(rows.texts, rows.labels, rows.classes, seed, values["strength"], values["min_texts"])
    return Fitted(found, "tfidf")


def _naive_bayes(rows: Rows, values: dict[str, Any], _seed: int) -> Fitted:
    """Multinomial naive Bayes over TF-IDF: its log likelihoods are a linear model's weights."""
    import numpy as np
    from sklearn.naive_bayes import MultinomialNB

    vocabulary, idf, matrix = learn_features(rows.texts, STANDARD_WORD, values["min_texts"])
    fitted = MultinomialNB(alpha=values["smoothing"]).fit(_sparse(matrix, len(vocabulary)), rows.labels)
    weights: np.ndarray = np.zeros((len(vocabulary), rows.classes), np.float32)
    bias = np.full(rows.classes, -30.0)
    known = fitted.classes_.astype(int)
    weights[:, known], bias[known] = fitted.feature_log_prob_.T, fitted.class_log_prior_
    return Fitted(LinearModel(vocabulary, idf, weights, bias, "softmax"), "tfidf")


def _trees(rows: Rows, values: dict[str, Any], seed: int) -> Fitted:
    """Gradient-boosted trees over latent semantic analysis."""
    import numpy as np
    from sklearn.decomposition import TruncatedSVD
    from sklearn.ensemble import HistGradientBoostingClassifier

    vocabulary, idf, matrix = learn_features(rows.texts, STANDARD_WORD, values["min_texts"])
    table = _sparse(matrix, len(vocabulary))
    size = max(1, min(values["dimensions"], min(table.shape) - 1))
    projection = TruncatedSVD(size, random_state=seed, n_iter=4).fit(table).components_.T.astype(np.float32)
    base = LinearModel(vocabulary, idf, projection, np.zeros(size), "projection")
    boosted = HistGradientBoostingClassifier(
        learning_rate=values["learning_rate"], max_iter=values["rounds"], max_leaf_nodes=values["leaves"],
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = boosted.fit(matrix.times(projection), rows.labels)
    return Fitted(TreeModel(base, _forest(fitted, rows.classes)), "trees")


def _forest(fitted: Any, classes: int) -> Forest:
    """scikit-learn's trees as plain arrays; a class that did not occur keeps a score that no tree raises."""
    import numpy as np

    known = fitted.classes_.astype(int)
    # With two classes there is one tree a round, for the second; the first's score stays 0.
    speaks_of = known[1:] if len(known) == 2 else known
    start = np.full(classes, -30.0)
    start[known] = 0.0
    start[speaks_of] = np.ravel(fitted._baseline_prediction)
    parts: dict[str, list[Any]] = {name: [] for name in ("feature", "threshold", "left", "right", "value")}
    roots, labels, offset = [], [], 0
    for round_ in fitted._predictors:
        for tree, label in zip(round_, speaks_of.tolist(), strict=True):
            nodes = tree.nodes
            leaf = nodes["is_leaf"].astype(bool)
            parts["feature"].append(np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)))
            parts["threshold"].append(nodes["num_threshold"])
            parts["left"].append(nodes["left"].astype(np.int64) + offset)
            parts["right"].append(nodes["right"].astype(np.int64) + offset)
            parts["value"].append(nodes["value"])
            roots.append(offset)
            labels.append(label)
            offset += len(nodes)
    flat = {name: np.concatenate(items) for name, items in parts.items()}
    return Forest(
        flat["feature"].astype(np.int32),
        np.where(flat["feature"] < 0, 0.0, flat["threshold"]).astype(np.float64),
        flat["left"].astype(np.int32),
        flat["right"].astype(np.int32),
        np.where(flat["feature"] < 0, flat["value"], 0.0).astype(np.float64),
        np.array(roots, np.int32),
        np.array(labels, np.int32),
        start,
    )


def _sparse(rows: Sparse, width: int) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((rows.data, rows.indices.astype("int32"), rows.indptr.astype("int32")), (rows.rows, width))


_MIN_TEXTS = Range("min_texts", INTEGER, 1, 5, "linear")
ALGORITHMS = {
    item.name: item
    for item in (
        Algorithm(
            "logistic",
            "multinomial logistic regression on TF-IDF of words and pairs of words",
            (Range("strength", CONTINUOUS, 0.1, 20.0, "log"), _MIN_TEXTS),
            {"strength": 2.0, "min_texts": 2},
            _logistic,
        ),
        Algorithm(
            "ordinal",
            "ordered logistic regressions, features weighed by naive Bayes",
            (Range("strength", CONTINUOUS, 0.5, 30.0, "log"), _MIN_TEXTS),
            {"strength": 8.0, "min_texts": 2},
            _ordinal,
        ),
        Algorithm(
            "naive_bayes",
            "multinomial naive Bayes on TF-IDF",
            (Range("smoothing", CONTINUOUS, 0.01, 3.0, "log"), _MIN_TEXTS),
            {"smoothing": 0.3, "min_texts": 2},
            _naive_bayes,
        ),
        Algorithm(
            "trees",
            "gradient-boosted trees on a projection of TF-IDF",
            (
                Range("dimensions", INTEGER, 16, 128, "log"),
                Range("rounds", INTEGER, 20, 120, "log"),
                Range("leaves", INTEGER, 7, 31, "log"),
                Range("learning_rate", CONTINUOUS, 0.03, 0.3, "log"),
                _MIN_TEXTS,
            ),
            {"dimensions": 48, "rounds": 50, "leaves": 15, "learning_rate": 0.1, "min_texts": 2},
            _trees,
        ),
    )
}
