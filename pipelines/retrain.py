"""Train again only when new reviews have drifted away from what the champion was trained on.

intermodal run pipelines/retrain.py -p source=new-reviews.tsv.gz
intermodal run pipelines/retrain.py -p rows=2000 -p seed=8 -p 'categories=["Toys"]'
"""

from kfp import dsl

from intermodal import component

generate = component("generate")
ingest = component("ingest")
validate = component("validate")
drift = component("drift")
featurize = component("featurize")
baseline = component("baseline")
train_pytorch = component("train_pytorch")
evaluate = component("evaluate")
register = component("register")
fail = component("fail")


def compare(model, features, registered_model, margin):
    """Evaluate a candidate and register it; it becomes champion if it beats the old one."""
    judged = evaluate(model=model, features=features)
    register(
        model=model,
        evaluation=judged.outputs["evaluation"],
        features=features,
        registered_model=registered_model,
        margin=margin,
    )


@dsl.pipeline(name="retrain", description="New reviews against the champion's: train and compare when they drifted")
def retrain(
    source: str = "",
    rows: int = 10000,
    categories: list = ["Books", "Digital_Software", "Electronics", "Kitchen", "Toys", "Video_Games"],  # noqa: B006
    framework: str = "pytorch",
    checkpoint: str = "",
    max_seq_length: int = 64,
    seed: int = 7,
    psi_threshold: float = 0.25,
    words_threshold: float = 0.1,
    margin: float = 0.0,
    registered_model: str = "reviews",
):
    """Train again only when new reviews have drifted away from what the champion was trained on.

    Without drift nothing is trained, and the page of the step `drift` says so. With drift, or without a champion, a
    model is trained on the new reviews; it becomes champion if it beats the old one on their test split.

    Args:
        source: File, folder, glob or s3:// URI of the new reviews; synthetic ones are made when empty.
        rows: How many synthetic reviews.
        categories: Product categories of the synthetic reviews.
        framework: What the candidate is trained with: pytorch or baseline.
        checkpoint: BERT-family checkpoint: hub name or local directory; the embedded MiniLM when empty.
        max_seq_length: Tokens a review is cut at; 0 chooses from the data.
        seed: Of everything random.
        psi_threshold: Population stability index of rating, length and category from which they have drifted.
        words_threshold: Jensen-Shannon distance of the vocabulary from which it has drifted.
        margin: How much better than the champion's the candidate's accuracy must be.
        registered_model: Name in the MLflow model registry.
    """
    raw = generate(rows=rows, seed=seed, categories=categories, unless=source)
    ingested = ingest(raw=raw.outputs["raw"], source=source)
    checked = validate(reviews=ingested.outputs["reviews"])
    watched = drift(
        reviews=checked.outputs["clean"],
        registered_model=registered_model,
        psi_threshold=psi_threshold,
        words_threshold=words_threshold,
    )
    with dsl.If(watched.outputs["Output"] != "stable", name="drifted"):
        made = featurize(
            reviews=checked.outputs["clean"], checkpoint=checkpoint, max_seq_length=max_seq_length, seed=seed
        )
        features = made.outputs["features"]
        with dsl.If(framework == "pytorch", name="pytorch"):
            trained = train_pytorch(features=features, checkpoint=checkpoint, seed=seed)
            compare(trained.outputs["model"], features, registered_model, margin)
        with dsl.Elif(framework == "baseline", name="baseline"):
            plain = baseline(features=features, seed=seed)
            compare(plain.outputs["model"], features, registered_model, margin)
        with dsl.Else(name="unknown-framework"):
            fail(message="unknown framework; expected pytorch or baseline", exit_code=2)
