"""A pipeline whose data is worked on by Athena, for tests."""

from kfp import dsl

from intermodal import component

generate, ingest, explore, glue_table = (component(name) for name in ("generate", "ingest", "explore", "glue_table"))


@dsl.pipeline(name="warehouse")
def warehouse(rows: int = 400) -> None:
    """Synthetic reviews, ingested and explored by Athena, and a table of them.

    Args:
        rows: How many.
    """
    raw = generate(rows=rows, categories=["Books", "Toys"], defects={}).outputs["raw"]
    reviews = ingest(raw=raw, engine="athena").outputs["reviews"]
    explore(reviews=reviews, engine="athena")
    glue_table(data=reviews, table="warehouse_reviews")
