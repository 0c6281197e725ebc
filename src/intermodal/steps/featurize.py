"""The step `featurize`: from reviews to what a BERT-family model is trained on."""

from kfp.dsl import Dataset, Input, Metrics, Output

from intermodal.core.step import step


@step(image="core", cpu="2", memory="2Gi", sources=("checkpoint",))
def featurize(
    reviews: Input[Dataset],
    features: Output[Dataset],
    metrics: Output[Metrics],
    checkpoint: str = "",
    max_seq_length: int = 64,
    balance: bool = True,
    validation_share: float = 0.05,
    test_share: float = 0.05,
    min_test_rows: int = 500,
    seed: int = 7,
    tfrecord: bool = False,
) -> None:
    """Deduplicate, split without leaks, balance, and tokenise reviews.

    Args:
        reviews: Parquet files with review_id, product_category, star_rating and review_body.
        features: Parquet files split=train|validation|test/ with text, input_ids, input_mask, segment_ids, label_ids;
            `reference.json` counts what the reviews look like, for the step drift.
        metrics: Rows at each stage, and how long the texts are.
        checkpoint: Whose tokenizer: empty for the embedded MiniLM, a local directory, or a Hugging Face name.
        max_seq_length: Longest text in tokens; 0 for the smallest of 32, 64, 128, 256, 512 that covers 95 % of texts.
        balance: Downsample every split to equally many reviews of each rating.
        validation_share: Share of each rating for validation.
        test_share: Share of each rating for the test.
        min_test_rows: Test reviews wanted of each rating when balancing; used if twice the test share can give them.
        seed: Which reviews of the more frequent ratings are trained on; validation and test do not depend on it.
        tfrecord: Write TFRecord files beside the Parquet files, padded to max_seq_length.
    """
    from pathlib import Path

    from intermodal.text.features import Recipe, make_features
    from intermodal.text.split import Shares

    shares = Shares(validation_share, test_share, min_test_rows)
    recipe = Recipe(checkpoint, max_seq_length, balance, shares, seed, tfrecord)
    made = make_features(Path(reviews.path), Path(features.path), recipe)
    features.metadata.update(made.metadata)
    for name, value in made.metrics.items():
        metrics.log_metric(name, float(value))
