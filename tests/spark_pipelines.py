"""Pipelines with a step for Spark, for tests."""

from kfp import dsl

from intermodal.core.component import component


@dsl.pipeline(name="squaring")
def squaring(seed: int, marks: str = "", seconds: float = 0.0):
    numbers = component("sagemaker_steps:count")(seed=seed)
    component("spark_steps:square")(numbers=numbers.outputs["numbers"], marks=marks, seconds=seconds)


@dsl.pipeline(name="looking")
def looking(rows: int = 300):
    raw = component("generate")(rows=rows, categories=["Books", "Toys"], defects={}).outputs["raw"]
    reviews = component("ingest")(raw=raw).outputs["reviews"]
    component("explore")(reviews=reviews, top=3)
    component("explore_spark")(reviews=reviews, top=3)
