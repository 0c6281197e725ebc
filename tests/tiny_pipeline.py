"""A tiny pipeline of two steps: reviews are made, and ingested."""

from kfp import dsl

from intermodal import component

generate = component("generate")
ingest = component("ingest")


@dsl.pipeline(name="tiny")
def tiny(rows: int = 30):
    """Make reviews and ingest them."""
    raw = generate(rows=rows)
    ingest(raw=raw.outputs["raw"])
