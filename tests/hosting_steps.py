"""The step that makes a tiny model and reviews for it."""

from kfp.dsl import Dataset, Model, Output

from intermodal.core.step import step


@step()
def tiny_model(model: Output[Model], reviews: Output[Dataset], worst: str = "terrible") -> None:
    """A model that rates by the first word, and reviews to rate.

    Args:
        model: The model.
        reviews: Reviews.
        worst: The word for one star.
    """
    from pathlib import Path

    from hosted import write_reviews
    from mlflow_cases import WORDS, write_model

    words = {worst if rating == 1 else word: rating for word, rating in WORDS.items()}
    write_model(Path(model.path), words)
    write_reviews(Path(reviews.path), [f"{word} thing" for word in words] * 20)
