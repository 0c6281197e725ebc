"""The step `batch_predict`: a model's ratings of a whole file of reviews."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(
    image="torch",
    cpu="2",
    memory="4Gi",
    capabilities=("mlflow",),
    still_valid="intermodal.tracking.fetching:alias_unmoved",
)
def batch_predict(
    reviews: Input[Dataset],
    predictions: Output[Dataset],
    report: Output[HTML],
    notes: Output[Markdown],
    metrics: Output[Metrics],
    model: Input[Model] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    model_uri: str = "models:/reviews@champion",
) -> None:
    """Rate every review with a registered model or a model of this pipeline, in memory that does not grow.

    Args:
        reviews: Reviews as `ingest` writes them.
        predictions: Parquet with review_id, product_category, star_rating, rating, confidence, p1 … p5; reviews
            without a text get no rating.
        report: Predicted ratings and confidence as a page.
        notes: The counts as Markdown.
        metrics: Reviews by predicted rating, mean rating, and how often it is the rating that the author gave.
        model: A trained model; when given, `model_uri` is not used.
        model_uri: models:/NAME@ALIAS or models:/NAME/VERSION in the MLflow model registry.
    """
    import contextlib
    from pathlib import Path

    from intermodal.report.kfp_visuals import markdown_summary, write_page
    from intermodal.report.step_pages import build_batch_page
    from intermodal.text.batch_prediction import predict_reviews
    from intermodal.text.held_out import model_digest
    from intermodal.text.model_facts import read_model_facts
    from intermodal.text.predictor_loading import load_predictor
    from intermodal.tracking.fetching import alias_facts, fetched_model, resolve

    with contextlib.ExitStack() as stack:
        if model is not None:
            directory, digest = Path(model.path), model_digest(Path(model.path))
        else:
            resolved = resolve(model_uri)
            fetched = stack.enter_context(fetched_model(resolved))
            directory, digest = fetched.directory, fetched.digest
            predictions.metadata.update(alias_facts(model_uri, resolved))
        facts, predictor = read_model_facts(directory), load_predictor(directory)
        account = predict_reviews(Path(reviews.path), predictor, list(facts["labels"]), Path(predictions.path))
    predictions.metadata.update(rows=account.rows, model_digest=digest, kind=str(facts.get("kind", "")))
    lead = f"{account.rated:,} of {account.rows:,} reviews rated by {facts.get('kind') or 'a model'}, {digest[:12]}"
    found = account.metrics()
    write_page(report.path, build_batch_page(account.ratings, account.confidence, account.categories, lead))
    write_page(notes.path, markdown_summary("Batch prediction", found, lead))
    for name, value in found.items():
        metrics.log_metric(name, value)
