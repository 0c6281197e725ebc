"""The step `explore`: look at the reviews before anything is done to them."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Output

from intermodal.core.step import step


@step(image="core", cpu="2", memory="2Gi")
def explore(
    reviews: Input[Dataset],
    profile: Output[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    notes: Output[Markdown],
    top: int = 10,
    engine: str = "local",
) -> None:
    """Profile the reviews: ratings, categories, years, lengths, helpful votes, products, gaps.

    Args:
        reviews: Reviews as `ingest` writes them: Parquet files with the fifteen columns.
        profile: Directory with `profile.json`: every count behind the plots.
        report: The plots as one self-contained page.
        metrics: Rows, mean rating, share of verified purchases, median words.
        notes: The same with the ratings and categories, as Markdown.
        top: Number of most reviewed products, and of categories listed by name; from 1.
        engine: "local", or "athena": the questions are asked as SQL over a table of the Glue catalogue; the answers
            are the same, but that Athena counts customers exactly, where the local engine estimates.
    """
    import json
    import os

    from intermodal.core.events import log_progress
    from intermodal.errors import UsageError
    from intermodal.report.kfp_visuals import write_page
    from intermodal.report.notes import profile_notes
    from intermodal.report.page import build_profile_page
    from intermodal.report.profile_engines import profile_with

    if top < 1:
        raise UsageError("top must be at least 1", seen=top, expected="1 or more", next_step="explore --top 10")
    log_progress(0, 1, "scans", "counting")
    found = profile_with(engine, reviews.path, top, reviews.uri, reviews.metadata)
    os.makedirs(profile.path, exist_ok=True)
    with open(os.path.join(profile.path, "profile.json"), "w", encoding="utf-8", newline="\n") as file:
        json.dump(found, file, indent=1, ensure_ascii=False, allow_nan=False)
    write_page(report.path, build_profile_page(found))
    write_page(notes.path, profile_notes(found))
    profile.metadata["rows"] = found["rows"]
    metrics.log_metric("rows", found["rows"])
    metrics.log_metric("mean_rating", found["rating"]["mean"] or 0.0)
    metrics.log_metric("verified_share", found["verified"]["share"] or 0.0)
    metrics.log_metric("median_words", found["length"]["words"]["p50"] or 0)
    log_progress(1, 1, "scans", "done")
