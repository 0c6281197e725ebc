"""A registered model's ratings of a whole file of reviews.

intermodal run pipelines/batch.py -p source=reviews.tsv.gz
intermodal run pipelines/batch.py -p rows=5000 -p model_uri=models:/reviews/3
"""

from kfp import dsl

from intermodal import component

generate = component("generate")
ingest = component("ingest")
batch_predict = component("batch_predict")


@dsl.pipeline(name="batch", description="Rate a file of reviews with a registered model")
def batch(source: str = "", rows: int = 10000, seed: int = 11, model_uri: str = "models:/reviews@champion"):
    """A registered model's ratings of a whole file of reviews.

    Args:
        source: File, folder, glob or s3:// URI of reviews; synthetic ones are made when empty.
        rows: How many synthetic reviews.
        seed: Of the synthetic reviews.
        model_uri: models:/NAME@ALIAS or models:/NAME/VERSION in the MLflow model registry.
    """
    raw = generate(rows=rows, seed=seed, unless=source)
    ingested = ingest(raw=raw.outputs["raw"], source=source)
    batch_predict(reviews=ingested.outputs["reviews"], model_uri=model_uri)
