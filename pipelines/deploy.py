"""From reviews to a model that answers: trained, judged, packaged, deployed, and asked about a whole file.

intermodal run pipelines/deploy.py -p rows=2000
intermodal run pipelines/deploy.py --place deploy=sagemaker --place package_model=sagemaker --place transform=sagemaker
intermodal run pipelines/deploy.py --on sagemaker -p endpoint=reviews -p capture_percent=100
"""

from kfp import dsl

from intermodal import component

generate = component("generate")
ingest = component("ingest")
featurize = component("featurize")
baseline = component("baseline")
evaluate = component("evaluate")
package_model = component("package_model")
deploy = component("deploy")
transform = component("transform")


@dsl.pipeline(name="deploy", description="From reviews to a deployed model that rates a whole file")
def deploy_reviews(
    source: str = "",
    rows: int = 10000,
    endpoint: str = "reviews",
    group: str = "reviews",
    capture_percent: int = 0,
    serverless_memory: int = 0,
    approval: str = "pending",
    max_seq_length: int = 64,
    seed: int = 7,
):
    """From reviews to a model that answers: trained, judged, packaged, deployed, and asked about a whole file.

    Args:
        source: File, folder, glob or s3:// URI of reviews; synthetic ones are made when empty.
        rows: How many synthetic reviews.
        endpoint: The endpoint's name.
        group: Model package group in SageMaker's registry.
        capture_percent: Share of requests that the endpoint captures, 0 to 100.
        serverless_memory: MB of a serverless endpoint; 0 for machines.
        approval: pending leaves the model package to a person, approved approves it.
        max_seq_length: Tokens a review is cut at; 0 chooses from the data.
        seed: Of everything random.
    """
    raw = generate(rows=rows, seed=seed, unless=source)
    ingested = ingest(raw=raw.outputs["raw"], source=source)
    reviews = ingested.outputs["reviews"]
    made = featurize(reviews=reviews, max_seq_length=max_seq_length, seed=seed)
    trained = baseline(features=made.outputs["features"], seed=seed)
    judged = evaluate(model=trained.outputs["model"], features=made.outputs["features"])
    package_model(
        model=trained.outputs["model"], evaluation=judged.outputs["evaluation"], group=group, approval=approval
    )
    deploy(
        model=trained.outputs["model"],
        endpoint=endpoint,
        capture_percent=capture_percent,
        serverless_memory=serverless_memory,
    )
    transform(model=trained.outputs["model"], reviews=reviews)
