"""The step `transform`: a model's ratings of a whole file of reviews, by SageMaker's batch transform."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="serve", cpu="2", memory="4Gi", job="managed", managed="intermodal.aws.transform:render")
def transform(
    model: Input[Model],
    reviews: Input[Dataset],
    predictions: Output[Dataset],
    report: Output[HTML],
    notes: Output[Markdown],
    metrics: Output[Metrics],
    instance_type: str = "ml.m5.xlarge",
    payload_mb: int = 1,
    at_once: int = 2,
) -> None:
    """Rate every review by the container that serves a model, as a transform job; elsewhere by the model itself.

    The table is that of `batch_predict`. That step stays a processing job on SageMaker, as it is everywhere: it finds
    its model in MLflow. This one needs a model artifact, and asks the very image that endpoints run.

    Args:
        model: A trained model.
        reviews: Reviews as `ingest` writes them.
        predictions: Parquet with review_id, product_category, star_rating, rating, confidence, p1 … p5; reviews
            without a text get no rating.
        report: Predicted ratings and confidence as a page.
        notes: The counts as Markdown.
        metrics: Reviews by predicted rating, mean rating, and how often it is the rating that the author gave.
        instance_type: Machines of the transform job.
        payload_mb: Size of a batch of reviews, MB.
        at_once: Batches that a machine answers at a time.
    """
    from pathlib import Path

    from intermodal.report.kfp_visuals import markdown_summary, write_page
    from intermodal.report.step_pages import build_batch_page
    from intermodal.serving.transforming import rated_reviews

    parameters = {"instance_type": instance_type, "payload_mb": payload_mb, "at_once": at_once}
    rated = rated_reviews(parameters, Path(model.path), Path(reviews.path), Path(predictions.path))
    account = rated.account
    predictions.metadata.update(rows=account.rows, model_digest=rated.digest, kind=rated.kind, **rated.facts)
    lead = f"{account.rated:,} of {account.rows:,} reviews rated by {rated.kind or 'a model'}, {rated.digest[:12]}"
    found = account.metrics()
    write_page(report.path, build_batch_page(account.ratings, account.confidence, account.categories, lead))
    write_page(notes.path, markdown_summary("Batch transform", found, lead))
    for name, value in found.items():
        metrics.log_metric(name, value)
