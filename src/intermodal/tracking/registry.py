"""The model registry: versions that are never doubled, and the alias that the gate guards."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.tracking.faults import describe
from intermodal.tracking.gate import Decision, Standing, Terms, judge, without_comparison
from intermodal.tracking.models import DIGEST_TAG, log_model
from intermodal.tracking.registered import version_exists

DECISION_TAG = "intermodal.decision"
GATE_TAG = "gate"
TEST_TAG = "intermodal.test_digest"

__all__ = ["Candidate", "ModelRegistry", "Registered", "version_exists"]

Rescore = Callable[[Callable[[list[str]], Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """A trained model that wants to be registered.

    Attributes:
        directory: Its files, with `predictor.py` and `model.json`.
        facts: The content of `model.json`.
        standing: How it did.
        lineage: Tags that say where it comes from, such as the MLflow runs of its training and evaluation.
    """

    directory: Path
    facts: dict[str, Any]
    standing: Standing
    lineage: dict[str, str]

    @classmethod
    def of_evaluation(
        cls, directory: Path, facts: dict[str, Any], evaluation: Mapping[str, Any], lineage: dict[str, str]
    ) -> Candidate:
        """A candidate whose standing is read from `evaluation.json`, with the model's digest in it."""
        standing = Standing.of_evaluation(evaluation, str(evaluation["model_digest"]))
        return cls(directory, facts, standing, lineage)


@dataclass(frozen=True)
class Registered:
    """A candidate's place in the registry.

    Attributes:
        name: The registered model.
        version: The version that holds the candidate.
        alias: The alias the gate guards.
        decision: What the gate said.
        model_uri: "models:/NAME/VERSION".
        champion_version: The version it was compared with; "" for none.
        run_id: The MLflow run it was registered in.
    """

    name: str
    version: str
    alias: str
    decision: Decision
    model_uri: str
    champion_version: str
    run_id: str

    def figures(self) -> dict[str, float]:
        """Accuracies and the decision, as flat metrics."""
        values = {"accuracy": self.decision.candidate.accuracy["value"], "accepted": float(self.decision.accepted)}
        if self.decision.champion:
            values["champion_accuracy"] = self.decision.champion.accuracy["value"]
        return values


class ModelRegistry:
    """One registered model and one alias of it.

    Every verb may be cut off and called again: a candidate is found by the digest on its version.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        name: The registered model; made when new.
        alias: The alias that the gate guards.
    """

    def __init__(self, client: Any, name: str, alias: str) -> None:
        self._client = client
        self.name = name
        self.alias = alias

    def champion(self) -> Any | None:
        """The version that has the alias; None when none has."""
        # Servers answer a missing alias with the one code, and a missing model with the other.
        with _unless("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return self._client.get_model_version_by_alias(self.name, self.alias)
        return None

    def version_of(self, model_digest: str) -> Any | None:
        """The oldest version with this model; None when there is none."""
        query = f"name = '{self.name}' and tags.`{DIGEST_TAG}` = '{model_digest}'"
        found = self._client.search_model_versions(query)
        return min(found, key=lambda item: int(item.version), default=None)

    def register(self, candidate: Candidate, terms: Terms, run_id: str, rescore: Rescore) -> Registered:
        """Put a candidate through the gate and into the registry.

        Args:
            candidate: The candidate.
            terms: What the gate asks for.
            run_id: The MLflow run that the model is logged to.
            rescore: Given the champion's predict function (texts to probabilities), evaluates it on the candidate's
                test split; called only when it was tested on another.

        Returns:
            Its place.
        """
        champion, known = self.champion(), self.version_of(candidate.standing.model_digest)
        decision = self._decided(known, champion, candidate, terms) or self._decide(champion, candidate, terms, rescore)
        version = known or self._make_version(candidate, decision, run_id)
        before = self.version_of(decision.champion_digest) if decision.champion_digest else None
        self._tag(version, {DECISION_TAG: json.dumps(decision.to_json(), sort_keys=True)})
        if decision.accepted:
            self._client.set_registered_model_alias(self.name, self.alias, version.version)
        self._tag(version, {GATE_TAG: decision.decision, **_figures(candidate.standing)})
        uri = f"models:/{self.name}/{version.version}"
        return Registered(self.name, str(version.version), self.alias, decision, uri, _number(before), run_id)

    def _decided(self, known: Any, champion: Any, candidate: Candidate, terms: Terms) -> Decision | None:
        """A decision taken before on the same grounds, by a task that was cut off or is repeated."""
        text = known.tags.get(DECISION_TAG) if known else None
        if not text:
            return None
        decision = Decision.from_json(json.loads(text))
        holder = champion.tags.get(DIGEST_TAG, "") if champion else ""
        own = holder == candidate.standing.model_digest and decision.accepted
        same = (decision.terms, decision.candidate.test_digest) == (terms, candidate.standing.test_digest)
        return decision if same and (own or holder == decision.champion_digest) else None

    def _decide(self, champion: Any, candidate: Candidate, terms: Terms, rescore: Rescore) -> Decision:
        if champion is None:
            return judge(candidate.standing, None, terms)
        digest = champion.tags.get(DIGEST_TAG) or f"version {champion.version}"
        if digest == candidate.standing.model_digest:
            return judge(candidate.standing, candidate.standing, terms)
        known = self._standing(champion)
        if known is None or known.test_digest != candidate.standing.test_digest:
            try:
                known = Standing.of_evaluation(rescore(self._predictor(champion)), digest)
            except Exception as error:  # a stranger's model can fail in any way; the champion then stays
                return without_comparison(candidate.standing, digest, describe(error), terms)
        return judge(candidate.standing, known, terms)

    def _standing(self, version: Any) -> Standing | None:
        text = version.tags.get(DECISION_TAG)
        return Decision.from_json(json.loads(text)).candidate if text else None

    def _predictor(self, version: Any) -> Callable[[list[str]], Any]:
        """The champion's own model, from the registry, as a function of texts."""
        import mlflow

        model = mlflow.pyfunc.load_model(f"models:/{self.name}/{version.version}")

        def predict(texts: list[str]) -> Any:
            answer = model.predict(texts)
            return answer[[column for column in answer.columns if column != "rating"]].to_numpy()

        return predict

    def _make_version(self, candidate: Candidate, decision: Decision, run_id: str) -> Any:
        digest = candidate.standing.model_digest
        marks = {DIGEST_TAG: digest, TEST_TAG: candidate.standing.test_digest, **candidate.lineage}
        logged = log_model(self._client, candidate.directory, candidate.facts, run_id, tags=marks)
        with _unless("RESOURCE_ALREADY_EXISTS"):
            self._client.create_registered_model(self.name)
        made = self._client.create_model_version(
            self.name, f"models:/{logged.model_id}", run_id=run_id, tags=marks, model_id=logged.model_id
        )
        first = self.version_of(digest)
        if first is not None and first.version != made.version:
            # Another task registered the same model at the same moment; the older version stands.
            self._client.delete_model_version(self.name, made.version)
            return first
        return made

    def _tag(self, version: Any, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, version.version, key, value)


@contextlib.contextmanager
def _unless(*codes: str) -> Iterator[None]:
    """Go on after MLflow's refusals of these kinds."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in codes:
            raise


def _figures(standing: Standing) -> dict[str, str]:
    named = {"accuracy": standing.accuracy["value"], **standing.scores}
    named |= {"accuracy_low": standing.accuracy["low"], "accuracy_high": standing.accuracy["high"]}
    return {name: f"{value:.4f}" for name, value in named.items()} | {"kind": standing.kind, "rows": str(standing.rows)}


def _number(version: Any | None) -> str:
    return str(version.version) if version else ""
