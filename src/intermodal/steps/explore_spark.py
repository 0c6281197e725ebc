"""The step `explore_spark`: look at reviews that outgrow one machine, with Spark."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Output

from intermodal.core.step import step


@step(image="spark", cpu="2", memory="4Gi")
def explore_spark(
    reviews: Input[Dataset],
    profile: Output[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    notes: Output[Markdown],
    top: int = 10,
) -> None:
    """Profile the reviews as `explore` does, counted by Spark: on this machine, or on EMR.

    Args:
        reviews: Reviews as `ingest` writes them: Parquet files with the fifteen columns.
        profile: Directory with `profile.json`: every count behind the plots. It is that of `explore`, but customers
            are counted exactly, where `explore` estimates.
        report: The plots as one self-contained page.
        metrics: Rows, mean rating, share of verified purchases, median words.
        notes: The same with the ratings and categories, as Markdown.
        top: Number of most reviewed products, and of categories listed by name; from 1.
    """
    from pathlib import Path

    from intermodal.aws.catalogue import published_at
    from intermodal.core.events import log_progress
    from intermodal.errors import UsageError
    from intermodal.report.profile_outputs import profile_metrics, write_profile
    from intermodal.report.profile_spark import profile_with_spark

    if top < 1:
        raise UsageError("top must be at least 1", seen=top, expected="1 or more", next_step="explore_spark --top 10")
    log_progress(0, 1, "scans", "counting")
    found = profile_with_spark(reviews.path, published_at(reviews.uri, reviews.metadata), top)
    write_profile(found, Path(profile.path), Path(report.path), Path(notes.path))
    profile.metadata["rows"] = found["rows"]
    for name, value in profile_metrics(found).items():
        metrics.log_metric(name, value)
    log_progress(1, 1, "scans", "done")
