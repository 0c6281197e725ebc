"""The code inside a logged model: raw review texts in, ratings and probabilities out.

MLflow copies this file into the model and runs it on loading ("models from code"), so it stands alone: it
imports neither intermodal nor anything that unpickles. The work is done by the model's own `predictor.py`.
"""

import importlib.util
import json
import pathlib
import sys
from typing import Any

import mlflow
import numpy
import pandas

TEXT_COLUMNS = ("text", "review_body")


class ReviewModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Rates review texts."""

    def load_context(self, context: Any) -> None:
        """Load the model from its directory.

        Args:
            context: MLflow's context; `artifacts["model"]` is the model's directory.
        """
        directory = pathlib.Path(context.artifacts["model"])
        facts = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        self.ratings = numpy.array([int(label) for label in facts["labels"]], dtype="int32")
        self.predictor = _predictor_class(directory / "predictor.py")(str(directory))

    # Of the kinds it takes, the hint names the one from which MLflow derives no check of its own.
    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """Rate texts.

        Args:
            context: MLflow's context.
            model_input: A text, a list or array of texts, a Series, or a DataFrame with a column `text` or
                `review_body`; a missing text counts as an empty one.
            params: None; there are no parameters.

        Returns:
            A DataFrame with the input's index: `rating` (int32) and one probability a rating, `p1` … `p5`.
        """
        texts = texts_of(model_input)
        probabilities = self.predictor.predict_proba(texts.tolist()).astype("float64")
        columns = {"rating": self.ratings[probabilities.argmax(axis=1)]}
        columns |= {f"p{rating}": probabilities[:, column] for column, rating in enumerate(self.ratings)}
        return pandas.DataFrame(columns, index=texts.index)


def texts_of(given: Any) -> pandas.Series:
    """The texts in any form of input that the model takes.

    Args:
        given: See `ReviewModel.predict`.

    Returns:
        A Series of str with the input's index.

    Raises:
        ValueError: There is no text in it, or something that is no text.
    """
    if isinstance(given, (str, dict)):
        given = [given]
    if not isinstance(given, (pandas.Series, pandas.DataFrame)):
        items = given.reshape(-1).tolist() if isinstance(given, numpy.ndarray) else list(given)
        records = bool(items) and isinstance(items[0], dict)
        given = _frame(items) if records else pandas.Series(items, dtype=object)
    if isinstance(given, pandas.DataFrame):
        given = given[_text_column(given)]
    series = given.astype(object).where(given.notna(), "")
    wrong = [value for value in series if not isinstance(value, str)]
    if wrong:
        raise ValueError(f"every text must be a string; one is {type(wrong[0]).__name__}: {str(wrong[0])[:80]!r}")
    return series


def _frame(records: list[Any]) -> pandas.DataFrame:
    # One mapping may hold whole columns, as a request's {"text": [...]} does.
    columns = len(records) == 1 and isinstance(next(iter(records[0].values()), None), (list, numpy.ndarray))
    return pandas.DataFrame(records[0] if columns else records)


def _text_column(frame: pandas.DataFrame) -> Any:
    named = [name for name in TEXT_COLUMNS if name in frame.columns]
    if named:
        return named[0]
    if len(frame.columns) == 1:
        return frame.columns[0]
    raise ValueError(f"the columns are {list(frame.columns)}; one must be named {' or '.join(TEXT_COLUMNS)}")


def _predictor_class(path: pathlib.Path) -> Any:
    # A name of its own: two versions of the model may be loaded side by side.
    name = f"review_predictor_{abs(hash(str(path)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.Predictor


mlflow.models.set_model(ReviewModel())
