"""What the step `package_model` does: a version in SageMaker's model registry, or its description elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from intermodal.aws.archives import upload_model
from intermodal.aws.calls import Calls
from intermodal.aws.model_packages import (
    APPROVED,
    PENDING,
    REJECTED,
    Told,
    approval_request,
    evaluation_uri,
    register_package,
    render_package,
)
from intermodal.aws.objects import upload_file
from intermodal.aws.sending import answered
from intermodal.aws.settings import sagemaker_settings
from intermodal.aws.surroundings import SAGEMAKER, cached_facts, on_sagemaker, wants_sagemaker
from intermodal.core.config import load_settings
from intermodal.errors import DataRejected, IntermodalError, UsageError
from intermodal.serving.deploying import plan_of
from intermodal.text.held_out import model_digest
from intermodal.text.model_facts import read_model_facts
from intermodal.tracking.package_tags import tag_version

APPROVALS = ("pending", "approved", "gate")
_FIGURES = ("qwk", "macro_f1", "mae", "ece")


@dataclass(frozen=True)
class Given:
    """What is packaged.

    Attributes:
        model: The model's directory.
        evaluation: Output of `evaluate`; None without one.
        registration: Output of `register`; None without one.
        registered: That output's metadata: the version in MLflow's registry.
    """

    model: Path
    evaluation: Path | None = None
    registration: Path | None = None
    registered: Mapping[str, Any] | None = None


def package_model_version(parameters: dict[str, Any], given: Given) -> tuple[dict[str, Any], dict[str, Any]]:
    """Register a model as a version of a group, and approve or reject it where that is asked for.

    Args:
        parameters: The parameters of `package_model`.
        given: What is packaged.

    Returns:
        The package as a document, the same everywhere; and what is true of this place only.

    Raises:
        UsageError: A parameter is wrong.
        ArtifactCorrupt: The directory holds no model.
        DataRejected: The evaluation or registration is another model's.
        RuntimeFailed: AWS refused, or did not answer.
    """
    document = _document(parameters, given)
    if not on_sagemaker():
        return document, {"engine": "local"}
    plan = plan_of("package_model", parameters, {"model": given.model})
    if given.evaluation is not None:
        plan = replace(plan, inputs=plan.inputs | {"evaluation": (f"evaluation/{model_digest(given.evaluation)}",)})
    upload_model(given.model, plan.inputs["model"][0], plan.place.store, plan.settings)
    if given.evaluation is not None:
        upload_file(given.evaluation / "evaluation.json", evaluation_uri(plan), plan.settings)
    told = Told(_facts(document, given.registered), _sentence(document))
    arn = register_package(Calls("sagemaker", plan.settings), render_package(plan, told))
    if document["approval"] != PENDING:
        answered(approval_request(arn, document["approval"], document["reason"]), plan.settings)
    tagged = tag_version(given.registered or {}, arn, document["approval"])
    return document, {"engine": SAGEMAKER, "model_package_arn": arn, "mlflow_tagged": tagged}


def still_packaged(metadata: Mapping[str, Any], engine: str = "") -> str | None:
    """Whether what a cached `package_model` registered is still there, where it is wanted.

    Args:
        metadata: The cached outputs' metadata, by output name.
        engine: The service that is to do the work; the one that this very process was told by default.

    Returns:
        None when it is, else why not.
    """
    facts = cached_facts(metadata)
    if facts.get("engine") != SAGEMAKER:
        elsewhere = "the model package was described on this machine, and not registered with SageMaker"
        return elsewhere if wants_sagemaker(engine) else None
    arn = str(facts["model_package_arn"])
    try:
        found = Calls("sagemaker", sagemaker_settings(load_settings()))("DescribeModelPackage", ModelPackageName=arn)
    except IntermodalError as error:
        return f"the model package {arn} is not there: {error.seen or error.headline}"
    if facts["approval"] != PENDING and found.get("ModelApprovalStatus") != facts["approval"]:
        return f"the model package {arn} is {found.get('ModelApprovalStatus')}"
    return None


def _document(parameters: dict[str, Any], given: Given) -> dict[str, Any]:
    facts, digest = read_model_facts(given.model), model_digest(given.model)
    evaluation = _read(given.evaluation, "evaluation.json")
    registration = _read(given.registration, "registration.json")
    for name, found in (("evaluation", evaluation), ("registration", registration)):
        if found and found.get("model_digest", digest) != digest:
            raise DataRejected(f"the {name} is another model's", seen=found["model_digest"], expected=digest)
    approval, reason = _approval(str(parameters["approval"]), registration)
    accuracy = (evaluation.get("accuracy") or {}).get("value")
    figures = {"accuracy": accuracy} | {name: evaluation.get(name) for name in _FIGURES}
    return {
        "group": parameters["group"],
        "model_digest": digest,
        "kind": facts.get("kind", ""),
        "labels": list(facts["labels"]),
        "approval": approval,
        "reason": reason,
        "test_digest": evaluation.get("test_digest", ""),
        "figures": {name: value for name, value in figures.items() if value is not None},
        "endpoint_instances": list(parameters["endpoint_instances"]),
        "transform_instances": list(parameters["transform_instances"]),
    }


def _approval(wanted: str, registration: dict[str, Any]) -> tuple[str, str]:
    if wanted not in APPROVALS:
        raise UsageError("approval is wrong", seen=wanted, expected=" or ".join(APPROVALS))
    if wanted == "pending":
        return PENDING, ""
    if wanted == "approved":
        return APPROVED, "approved by the pipeline"
    if not registration:
        raise UsageError(
            'approval="gate" needs the decision of the gate',
            seen="no registration",
            next_step="pass the output of register as registration",
        )
    taken = registration["decision"] == "accepted"
    return (APPROVED if taken else REJECTED), "; ".join(registration.get("reasons", [])) or str(
        registration["decision"]
    )


def _facts(document: dict[str, Any], registered: Mapping[str, Any] | None) -> dict[str, str]:
    """Plain facts of the version; its name in MLflow's registry among them."""
    facts = {name: f"{value:.6g}" for name, value in document["figures"].items()}
    facts |= {
        "model_digest": document["model_digest"],
        "kind": document["kind"],
        "test_digest": document["test_digest"],
    }
    found = registered or {}
    named = {"mlflow_model": "registered_model", "mlflow_version": "version", "mlflow_run_id": "mlflow_run_id"}
    return facts | {name: str(found[key]) for name, key in named.items() if found.get(key)}


def _sentence(document: dict[str, Any]) -> str:
    accuracy = document["figures"].get("accuracy")
    figure = f", accuracy {accuracy:.3f}" if accuracy is not None else ""
    return f"{document['kind'] or 'model'} {document['model_digest'][:12]}{figure}"


def _read(folder: Path | None, name: str) -> dict[str, Any]:
    if folder is None:
        return {}
    try:
        return dict(json.loads((folder / name).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataRejected(f"{name} cannot be read", seen=error) from error
