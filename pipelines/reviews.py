"""From raw customer reviews to a registered model: the flagship pipeline.

intermodal run pipelines/reviews.py
intermodal run pipelines/reviews.py -p source=reviews.tsv.gz -p max_seq_length=128
"""

from kfp import dsl

from intermodal import component

generate = component("generate")
ingest = component("ingest")
explore = component("explore")
validate = component("validate")
featurize = component("featurize")
baseline = component("baseline")
train_pytorch = component("train_pytorch")
evaluate = component("evaluate")
register = component("register")
fail = component("fail")


@dsl.pipeline(name="reviews", description="From raw customer reviews to a registered five-star classifier")
def reviews(
    source: str = "",
    rows: int = 10000,
    framework: str = "pytorch",
    checkpoint: str = "",
    max_seq_length: int = 64,
    seed: int = 7,
    registered_model: str = "reviews",
):
    """From raw customer reviews to a registered five-star classifier.

    Args:
        source: File, folder, glob or s3:// URI of reviews; synthetic ones are made when empty.
        rows: How many synthetic reviews.
        framework: What the candidate is trained with: pytorch or baseline.
        checkpoint: BERT-family checkpoint: hub name or local directory; the embedded MiniLM when empty.
        max_seq_length: Tokens a review is cut at; 0 chooses from the data.
        seed: Of everything random.
        registered_model: Name in the MLflow model registry.
    """
    raw = generate(rows=rows, seed=seed, unless=source)
    ingested = ingest(raw=raw.outputs["raw"], source=source)
    explore(reviews=ingested.outputs["reviews"])
    checked = validate(reviews=ingested.outputs["reviews"])
    made = featurize(reviews=checked.outputs["clean"], checkpoint=checkpoint, max_seq_length=max_seq_length, seed=seed)
    features = made.outputs["features"]
    plain = baseline(features=features, seed=seed)
    plain_judged = evaluate(model=plain.outputs["model"], features=features)

    with dsl.If(framework == "pytorch", name="pytorch"):
        trained = train_pytorch(features=features, checkpoint=checkpoint, seed=seed)
        judged = evaluate(model=trained.outputs["model"], features=features)
        register(
            model=trained.outputs["model"],
            evaluation=judged.outputs["evaluation"],
            features=features,
            registered_model=registered_model,
        )
    with dsl.Elif(framework == "baseline", name="baseline"):
        register(
            model=plain.outputs["model"],
            evaluation=plain_judged.outputs["evaluation"],
            features=features,
            registered_model=registered_model,
        )
    with dsl.Else(name="unknown-framework"):
        fail(message="unknown framework; expected pytorch or baseline", exit_code=2)
