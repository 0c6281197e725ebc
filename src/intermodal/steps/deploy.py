"""The step `deploy`: a model behind an endpoint, with a challenger or a shadow beside it."""

from kfp.dsl import Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(
    image="serve",
    cpu="1",
    memory="4Gi",
    still_valid="intermodal.serving.deploying:still_deployed",
    job="managed",
    managed="intermodal.aws.endpoints:render",
)
def deploy(
    model: Input[Model],
    deployment: Output[Dataset],
    notes: Output[Markdown],
    metrics: Output[Metrics],
    challenger: Input[Model] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    shadow: Input[Model] = None,  # type: ignore[assignment]
    endpoint: str = "reviews",
    challenger_weight: float = 0.1,
    instance_type: str = "ml.m5.large",
    instances: int = 1,
    most_instances: int = 0,
    invocations_per_instance: float = 1000.0,
    serverless_memory: int = 0,
    serverless_concurrency: int = 5,
    capture_percent: int = 0,
    rollout: str = "all_at_once",
    rollout_percent: int = 10,
    rollout_wait: int = 300,
    rollback_alarms: list = [],  # type: ignore[type-arg]  # noqa: B006
    uncompressed: bool = False,
    probe: str = "Works well and was easy to install.",
) -> str:
    """Deploy a model as a SageMaker endpoint; elsewhere, serve it for a moment and ask it one question.

    An endpoint of that name is updated, blue and green, and answers all the while. The answer is the endpoint's name.

    Args:
        model: The model that answers.
        deployment: `deployment.json`: the endpoint's variants and settings, the same wherever the step runs.
        notes: The variants as Markdown.
        metrics: The rating that each variant gave the probe.
        challenger: A second model that answers a share of the requests (A/B).
        shadow: A model that gets a copy of every request, and whose answers nobody sees.
        endpoint: The endpoint's name.
        challenger_weight: Share of the requests that the challenger answers, between 0 and 1.
        instance_type: Machines that serve.
        instances: Machines of each variant.
        most_instances: Machines that autoscaling may go up to; 0 for no autoscaling.
        invocations_per_instance: Requests a minute that autoscaling holds each machine at.
        serverless_memory: MB of a serverless endpoint, 1024 to 6144; 0 for machines.
        serverless_concurrency: Requests that a serverless endpoint answers at once.
        capture_percent: Share of requests that is captured with its answers, 0 to 100.
        rollout: How an update shifts traffic: all_at_once, canary or linear.
        rollout_percent: Size of the canary, or of each linear step.
        rollout_wait: Seconds between shifts.
        rollback_alarms: CloudWatch alarms that bring the old version back when they ring during an update.
        uncompressed: Let SageMaker copy the model's files instead of model.tar.gz: for large models, on machines only.
        probe: A text that every variant is asked to rate.
    """
    import json
    from pathlib import Path

    from intermodal.report.kfp_visuals import markdown_table, write_page
    from intermodal.serving.deploying import deploy_models

    parameters = {
        "endpoint": endpoint, "challenger_weight": challenger_weight, "instance_type": instance_type,
        "instances": instances, "most_instances": most_instances,
        "invocations_per_instance": invocations_per_instance, "serverless_memory": serverless_memory,
        "serverless_concurrency": serverless_concurrency, "capture_percent": capture_percent, "rollout": rollout,
        "rollout_percent": rollout_percent, "rollout_wait": rollout_wait, "rollback_alarms": rollback_alarms,
        "uncompressed": uncompressed, "probe": probe,
    }  # fmt: skip
    given = {"model": model, "challenger": challenger, "shadow": shadow}
    models = {name: Path(item.path) for name, item in given.items() if item is not None}
    document, facts = deploy_models(parameters, models)
    Path(deployment.path).mkdir(parents=True)
    text = json.dumps(document, indent=1, sort_keys=True)
    (Path(deployment.path) / "deployment.json").write_text(text + "\n", encoding="utf-8")
    deployment.metadata.update(facts)
    shown = [{key: item[key] for key in ("name", "weight", "shadow", "kind")} for item in document["variants"]]
    write_page(notes.path, markdown_table(f"Endpoint {endpoint}", shown))
    for name, rating in facts["answers"].items():
        metrics.log_metric(f"probe_{name}", float(rating))
    return endpoint
