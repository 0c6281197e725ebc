"""The step `generate`: synthetic reviews, for a demo, a test or a benchmark of any size."""

from kfp.dsl import Dataset, Metrics, Output

from intermodal.core.step import step


@step(image="core", cpu="1", memory="1Gi")
def generate(
    raw: Output[Dataset],
    metrics: Output[Metrics],
    rows: int = 10000,
    seed: int = 7,
    defects: dict = {  # type: ignore[type-arg]  # noqa: B006 - KFP reads the default, nothing writes to it
        "html_entities": 0.05,
        "stray_quote": 0.02,
        "duplicate_body": 0.005,
        "duplicate_id": 0.001,
        "missing_body": 0.001,
        "missing_headline": 0.001,
        "negative_votes": 0.001,
        "helpful_above_total": 0.001,
        "missing_column": 0.001,
        "bad_rating_word": 0.001,
        "rating_out_of_range": 0.001,
        "bad_date": 0.001,
        "invalid_utf8": 0.001,
    },
    categories: list = ["Books", "Digital_Software", "Electronics", "Kitchen", "Toys", "Video_Games"],  # type: ignore[type-arg]  # noqa: B006
    unless: str = "",
) -> None:
    """Make synthetic reviews in Amazon's 15-column TSV, with defects of named kinds; the same for the same seed.

    Args:
        raw: reviews-00000.tsv.gz and so on, a million rows each.
        metrics: Rows, rows of each rating, rows with each kind of defect.
        rows: How many reviews; memory does not grow with it.
        seed: Another seed gives other reviews; more rows of a seed begin with the same rows.
        defects: Kind of defect to the share of rows that get it, from 0 to 1; a row gets one at most. Kinds that
            `ingest` quarantines: missing_column, extra_column, bad_rating_word, rating_out_of_range,
            missing_rating, bad_votes, bad_date, invalid_utf8. Kinds that are left to `validate`: negative_votes,
            helpful_above_total, duplicate_id, duplicate_body, missing_body, missing_headline, html_entities,
            stray_quote, carriage_return, non_english, lower_case_codes, future_date.
        categories: Product categories, out of Books, Digital_Software, Electronics, Kitchen, Toys, Video_Games.
        unless: Make nothing when this is not empty; a pipeline passes its `source` here.
    """
    import os

    from intermodal.reviews.generate import Generated, generate_reviews

    if unless:
        os.makedirs(raw.path, exist_ok=True)
        done = Generated()
    else:
        done = generate_reviews(raw.path, rows, seed, defects, list(categories))
    raw.metadata.update(rows=done.rows, defects=dict(sorted(done.defects.items())))
    metrics.log_metric("rows", done.rows)
    for star, count in sorted(done.stars.items()):
        metrics.log_metric(f"stars_{star}", count)
    for kind, count in sorted(done.defects.items()):
        metrics.log_metric(f"defect_{kind}", count)
