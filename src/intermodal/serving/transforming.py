"""What the step `transform` does: ratings by a transform job on SageMaker, or by the model itself."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from intermodal.aws.surroundings import on_sagemaker
from intermodal.aws.transform_job import run_transform
from intermodal.serving.deploying import plan_of
from intermodal.store.ownership import ownership_of
from intermodal.text.batch_prediction import Account, predict_reviews
from intermodal.text.held_out import model_digest
from intermodal.text.model_facts import read_model_facts
from intermodal.text.predictor_loading import load_predictor
from intermodal.text.transform_lines import Answered, write_lines


@dataclass(frozen=True)
class Rated:
    """What came of it.

    Attributes:
        account: What was predicted, in counts.
        digest: Digest of the model.
        kind: Kind of the model; empty when it does not say.
        facts: What differs from place to place: the job's name.
    """

    account: Account
    digest: str
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)


def rated_reviews(parameters: dict[str, Any], model: Path, reviews: Path, target: Path) -> Rated:
    """Rate every review and write the table that `batch_predict` writes.

    Args:
        parameters: The parameters of `transform`.
        model: The model's directory.
        reviews: Directory of Parquet files, as `ingest` writes them.
        target: Directory of the table; made.

    Raises:
        ArtifactCorrupt: The directory holds no model.
        DataRejected: The reviews cannot be read, or the job's answers are not theirs.
        UsageError: A parameter is wrong.
        StepFailed: The transform job did not complete.
        RuntimeFailed: AWS refused, or did not answer.
        StoreFailed: Whose the job is could not be read or noted.
    """
    facts = read_model_facts(model)
    labels, kind, digest = list(facts["labels"]), str(facts.get("kind", "")), model_digest(model)
    if not on_sagemaker():
        return Rated(predict_reviews(reviews, load_predictor(model), labels, target), digest, kind)
    plan = plan_of("transform", parameters, {"model": model})
    plan = replace(plan, inputs=plan.inputs | {"reviews": (f"{plan.place.store}/reviews/{model_digest(reviews)}",)})
    with tempfile.TemporaryDirectory() as folder:
        described, files = run_transform(
            plan, model, lambda place: _written(reviews, place), Path(folder), ownership_of(plan)
        )
        answered = Answered(files, labels)
        account = predict_reviews(reviews, answered, labels, target)
        answered.check_all_given()
    told = {"transform_job": described["TransformJobName"], "transform_job_arn": described["TransformJobArn"]}
    return Rated(account, digest, kind, told)


def _written(reviews: Path, place: Path) -> None:
    write_lines(reviews, place)
