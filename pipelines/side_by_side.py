"""PyTorch, TensorFlow and a linear baseline trained side by side; the best is registered.

intermodal run pipelines/side_by_side.py -p rows=2000
intermodal run pipelines/side_by_side.py -p source=reviews.tsv.gz -p metric=qwk
"""

from kfp import dsl

from intermodal import component

generate = component("generate")
ingest = component("ingest")
validate = component("validate")
featurize = component("featurize")
baseline = component("baseline")
train_pytorch = component("train_pytorch")
train_tensorflow = component("train_tensorflow")
evaluate = component("evaluate")
choose = component("choose")
register = component("register")


@dsl.pipeline(name="side-by-side", description="Three trainings on the same reviews; the best is registered")
def side_by_side(
    source: str = "",
    rows: int = 10000,
    metric: str = "accuracy",
    checkpoint: str = "",
    max_seq_length: int = 64,
    train_rows: int = 4000,
    seed: int = 7,
    registered_model: str = "reviews",
):
    """PyTorch, TensorFlow and a linear baseline trained side by side; the best is registered.

    Args:
        source: File, folder, glob or s3:// URI of reviews; synthetic ones are made when empty.
        rows: How many synthetic reviews.
        metric: What the best is chosen by: accuracy, macro_f1, qwk, macro_auc, mae, ece or log_loss.
        checkpoint: BERT or DistilBERT checkpoint: hub name or local directory; the embedded MiniLM when empty.
        max_seq_length: Tokens a review is cut at; 0 chooses from the data.
        train_rows: Most reviews an encoder is trained on, to bound the time; 0 for all.
        seed: Of everything random.
        registered_model: Name in the MLflow model registry.
    """
    raw = generate(rows=rows, seed=seed, unless=source)
    ingested = ingest(raw=raw.outputs["raw"], source=source)
    checked = validate(reviews=ingested.outputs["reviews"])
    made = featurize(reviews=checked.outputs["clean"], checkpoint=checkpoint, max_seq_length=max_seq_length, seed=seed)
    features = made.outputs["features"]

    plain = baseline(features=features, seed=seed)
    torch = train_pytorch(features=features, checkpoint=checkpoint, train_rows=train_rows, seed=seed)
    tensorflow = train_tensorflow(features=features, checkpoint=checkpoint, train_rows=train_rows, seed=seed)
    plain_judged = evaluate(model=plain.outputs["model"], features=features)
    torch_judged = evaluate(model=torch.outputs["model"], features=features)
    tensorflow_judged = evaluate(model=tensorflow.outputs["model"], features=features)

    best = choose(
        first_model=plain.outputs["model"],
        first_evaluation=plain_judged.outputs["evaluation"],
        second_model=torch.outputs["model"],
        second_evaluation=torch_judged.outputs["evaluation"],
        third_model=tensorflow.outputs["model"],
        third_evaluation=tensorflow_judged.outputs["evaluation"],
        metric=metric,
        names=["baseline", "pytorch", "tensorflow"],
    )
    register(
        model=best.outputs["model"],
        evaluation=best.outputs["evaluation"],
        features=features,
        registered_model=registered_model,
    )
