"""The step `package_model`: a version in SageMaker's model registry, beside the one in MLflow's."""

from kfp.dsl import Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(
    image="serve",
    cpu="1",
    memory="2Gi",
    capabilities=("mlflow",),
    still_valid="intermodal.serving.packaging:still_packaged",
    job="managed",
    managed="intermodal.aws.model_packages:render",
)
def package_model(
    model: Input[Model],
    package: Output[Dataset],
    notes: Output[Markdown],
    metrics: Output[Metrics],
    evaluation: Input[Dataset] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    registration: Input[Dataset] = None,  # type: ignore[assignment]
    group: str = "reviews",
    approval: str = "pending",
    endpoint_instances: list = ["ml.m5.large", "ml.c6i.large"],  # type: ignore[type-arg]  # noqa: B006
    transform_instances: list = ["ml.m5.xlarge"],  # type: ignore[type-arg]  # noqa: B006
) -> str:
    """Register a model as a model package of SageMaker; elsewhere, describe the package that it would be.

    The answer is the approval: PendingManualApproval, Approved or Rejected. The two registries name each other: the
    package carries the version in MLflow's, and that version carries the package's ARN as a tag.

    Args:
        model: The model.
        package: `package.json`: what the version says of the model, the same wherever the step runs.
        notes: The same as Markdown.
        metrics: The figures of the evaluation.
        evaluation: Output of `evaluate` for this model; its figures go with the package.
        registration: Output of `register` for this model.
        group: Model package group; made when new.
        approval: pending leaves it to a person, approved approves, gate does what the gate of `register` decided.
        endpoint_instances: Machines that the model may be deployed on.
        transform_instances: Machines that batch transform may use.
    """
    import json
    from pathlib import Path

    from intermodal.report.kfp_visuals import markdown_summary, write_page
    from intermodal.serving.packaging import Given, package_model_version

    parameters = {
        "group": group, "approval": approval, "endpoint_instances": endpoint_instances,
        "transform_instances": transform_instances,
    }  # fmt: skip
    given = Given(
        Path(model.path),
        Path(evaluation.path) if evaluation is not None else None,
        Path(registration.path) if registration is not None else None,
        dict(registration.metadata) if registration is not None else None,
    )
    document, facts = package_model_version(parameters, given)
    Path(package.path).mkdir(parents=True)
    text = json.dumps(document, indent=1, sort_keys=True)
    (Path(package.path) / "package.json").write_text(text + "\n", encoding="utf-8")
    package.metadata.update(facts, approval=document["approval"])
    write_page(notes.path, markdown_summary(f"Model package of {group}", document["figures"], document["approval"]))
    for name, value in document["figures"].items():
        metrics.log_metric(name, value)
    return str(document["approval"])
