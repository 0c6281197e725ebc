"""Fit linear models on TF-IDF features: the standard one, and the ordinal one that joins a neural network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from intermodal.core.events import log_progress
from intermodal.text.ngrams import BLOCK, LinearModel, Sparse, Vocabulary, between, number_words, pair_up, tfidf

if TYPE_CHECKING:
    import numpy as np

STANDARD_WORD = r"\b\w\w+\b"  # scikit-learn's: two letters or more
REVIEW_WORD = r"\w+|[!?]+"  # one letter counts too ("I", "a 5"), and so does shouting
_LEAST_PASSES, _ROW_VISITS = 30, 1_000_000  # of saga
_ITERATIONS, _TOLERANCE = 30, 0.1  # of liblinear; more gives no better answers


def fit_standard(
    texts: Sequence[str], labels: np.ndarray, classes: int, seed: int, strength: float = 2.0, smallest: int = 2
) -> LinearModel:
    """The model that every result is compared with: words and pairs of words, multinomial logistic regression.

    Args:
        texts: Training texts.
        labels: Their classes, 0 … classes - 1, shape (n,).
        classes: Number of classes, C; one that does not occur gets probability near 0.
        seed: Of the solver's order of rows.
        strength: Inverse regularisation, scikit-learn's C.
        smallest: In how many texts a term must occur.

    Returns:
        The model, link "softmax".
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    vocabulary, idf, rows = learn_features(texts, STANDARD_WORD, smallest)
    log_progress(0, 1, "models", "fitting TF-IDF with logistic regression")
    # Passes over the rows: what saga needs to be as good as L-BFGS run to its end, in a sixth of its time.
    passes = max(_LEAST_PASSES, _ROW_VISITS // max(1, len(texts)))
    solver = LogisticRegression(C=strength, solver="saga", max_iter=passes, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose
        fitted = solver.fit(_matrix(rows, len(vocabulary)), labels)
    weights: np.ndarray = np.zeros((len(vocabulary), classes), np.float32)
    bias = np.full(classes, -30.0)
    found = fitted.classes_.astype(int)
    # With two classes scikit-learn keeps the scores of the second alone; the first's are then 0.
    both = np.concatenate([0 * fitted.coef_, fitted.coef_]) if len(found) == 2 else fitted.coef_
    offsets = np.concatenate([0 * fitted.intercept_, fitted.intercept_]) if len(found) == 2 else fitted.intercept_
    weights[:, found], bias[found] = both.T, offsets
    return LinearModel(vocabulary, idf, weights, bias, "softmax")


def fit_ordinal(
    texts: Sequence[str], labels: np.ndarray, classes: int, seed: int, strength: float = 8.0, smallest: int = 2
) -> LinearModel:
    """The linear partner of a neural network: one question "more than class i?" each, features weighed by naive Bayes.

    Every feature is scaled by how strongly it alone speaks for an answer (Wang and Manning 2012, "Baselines and
    bigrams", ACL; here the square root of their ratio, which serves small corpora as well as large ones), and the
    ordered questions (Frank and Hall 2001) keep errors near the truth. Trained on 30,000 balanced reviews and judged on
    4,145 others: accuracy 0.538 and quadratic weighted kappa 0.782, against 0.528 and 0.754 of `fit_standard`.

    Args:
        texts: Training texts.
        labels: Their classes, shape (n,).
        classes: Number of classes, C.
        seed: Of liblinear's order of rows.
        strength: Inverse regularisation. High on purpose: `fit_combination` calibrates the result.
        smallest: In how many texts a term must occur.

    Returns:
        The model, link "ordinal".
    """
    import numpy as np

    vocabulary, idf, rows = learn_features(texts, REVIEW_WORD, smallest)
    matrix = _matrix(rows, len(vocabulary))
    weights: np.ndarray = np.zeros((len(vocabulary), classes - 1), np.float32)
    bias = np.zeros(classes - 1)
    for question in range(classes - 1):
        log_progress(question, classes - 1, "questions", "fitting the linear part")
        weights[:, question], bias[question] = _answer(matrix, labels > question, seed, strength)
    return LinearModel(vocabulary, idf, weights, bias, "ordinal")


def learn_features(texts: Sequence[str], pattern: str, smallest: int) -> tuple[Vocabulary, np.ndarray, Sparse]:
    """Learn a vocabulary and the weights of its terms.

    Args:
        texts: Training texts.
        pattern: Regular expression of a word.
        smallest: In how many texts a term must occur; raised by one for each 50,000 texts, so that the vocabulary
            does not grow with the typing errors of a large corpus.

    Returns:
        The vocabulary; inverse document frequencies, shape (V,); and the texts' features, as
        `tfidf(vocabulary.count(texts), idf)` gives them.
    """
    import numpy as np

    smallest += len(texts) // 50_000
    numbers: dict[str, int] = {}
    words, owners = number_words(texts, pattern, numbers, learn=True)
    spelled = np.array(list(numbers), dtype=object)
    frequent = np.flatnonzero(_texts_with(words, owners, len(numbers)) >= smallest)
    frequent = frequent[np.argsort(spelled[frequent].astype(str), kind="stable")] if len(frequent) else frequent
    renumber = np.full(len(numbers) + 1, -1)
    renumber[frequent] = np.arange(len(frequent))
    words = renumber[words]
    pairs, pair_owners = pair_up(words, owners, len(frequent))
    kept, codes = np.unique(pairs, return_inverse=True)
    kept = kept[_texts_with(codes, pair_owners, len(kept)) >= smallest]
    vocabulary = Vocabulary(pattern, tuple(spelled[frequent].tolist()), kept)
    counts = vocabulary.count_numbers(words, owners, len(texts))
    in_texts = np.bincount(counts.indices, minlength=len(vocabulary))
    idf = np.log((1 + len(texts)) / (1 + in_texts)) + 1
    return vocabulary, idf, tfidf(counts, idf)


def _texts_with(codes: np.ndarray, owners: np.ndarray, size: int) -> np.ndarray:
    """In how many texts each of the codes 0 … size - 1 occurs, shape (size,)."""
    import numpy as np

    found: np.ndarray = np.zeros(size, np.int64)
    for first in range(0, int(owners[-1]) + 1 if len(owners) else 0, BLOCK):
        mine = between(owners, first, first + BLOCK)
        cells = np.unique((owners[mine] - first) * size + codes[mine])
        found += np.bincount(cells % size, minlength=size)
    return found


def _matrix(rows: Sparse, width: int) -> Any:
    """As a SciPy matrix, which scikit-learn takes."""
    from scipy.sparse import csr_matrix

    # 32-bit indices, which SciPy keeps as they are, take half the memory and are quicker to walk.
    return csr_matrix((rows.data, rows.indices.astype("int32"), rows.indptr.astype("int32")), (rows.rows, width))


def _answer(matrix: Any, exceeds: np.ndarray, seed: int, strength: float) -> tuple[np.ndarray, float]:
    """Weights and bias of one question, in terms of the unscaled features."""
    import numpy as np
    from scipy.sparse import diags
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if exceeds.all() or not exceeds.any():
        return np.zeros(matrix.shape[1]), 30.0 if exceeds.all() else -30.0
    scale = np.sqrt(np.abs(_log_ratio(matrix[exceeds], matrix[~exceeds])))
    solver = LogisticRegression(
        C=strength, solver="liblinear", dual=True, tol=_TOLERANCE, max_iter=_ITERATIONS, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose
        fitted = solver.fit(matrix @ diags(scale), exceeds)
    return fitted.coef_[0] * scale, float(fitted.intercept_[0])


def _log_ratio(yes: Any, no: Any) -> np.ndarray:
    """Log of how much more of each feature there is in the rows of `yes` than in those of `no`, shape (V,)."""
    import numpy as np

    shares = [np.asarray(part.sum(axis=0)).ravel() + 1 for part in (yes, no)]
    return np.asarray(np.log(shares[0] / shares[0].sum()) - np.log(shares[1] / shares[1].sum()))
