"""The champion gate: may a candidate take the alias from the model that has it?

A pure function of two scores on the same test split. It is strict: an equal score does not replace a champion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from intermodal.errors import ArtifactCorrupt

ACCEPTED, REJECTED = "accepted", "rejected"
SCORES = ("macro_f1", "qwk", "mae", "ece")


@dataclass(frozen=True)
class Standing:
    """How a model did on a test split.

    Attributes:
        model_digest: Digest of the model's artifact.
        test_digest: Digest of the test split.
        accuracy: Accuracy with its 95 % interval: {"value", "low", "high"}.
        scores: `SCORES`, as far as known.
        rows: Rows of the test split.
        kind: Kind of model.
    """

    model_digest: str
    test_digest: str
    accuracy: dict[str, float]
    scores: dict[str, float]
    rows: int
    kind: str = ""

    @classmethod
    def of_evaluation(cls, evaluation: Mapping[str, Any], model_digest: str) -> Standing:
        """Read a standing from `evaluation.json`.

        Args:
            evaluation: Its content.
            model_digest: The model that was evaluated.

        Raises:
            ArtifactCorrupt: It lacks what the gate needs.
        """
        try:
            return cls(
                model_digest=model_digest,
                test_digest=str(evaluation["test_digest"]),
                accuracy={end: float(evaluation["accuracy"][end]) for end in ("value", "low", "high")},
                scores={name: evaluation[name] for name in SCORES if evaluation.get(name) is not None},
                rows=int(evaluation["rows"]),
                kind=str(evaluation.get("kind", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactCorrupt("evaluation.json lacks what the gate needs", seen=repr(error)) from error


@dataclass(frozen=True)
class Terms:
    """What the gate asks for.

    Attributes:
        floor: Accuracy that any model must reach, 0..1.
        margin: How much better than the champion's a candidate's accuracy must be, 0..1.
    """

    floor: float
    margin: float


@dataclass(frozen=True)
class Decision:
    """What the gate said, and of what.

    Attributes:
        decision: "accepted" or "rejected".
        reasons: Why, one sentence each.
        candidate: The candidate's standing.
        champion: The champion's on the same split; None when there was none, or none that compares.
        champion_digest: Digest of the champion's model, whether or not it compares; "" when there was none.
        terms: What was asked for.
    """

    decision: str
    reasons: tuple[str, ...]
    candidate: Standing
    champion: Standing | None
    champion_digest: str
    terms: Terms

    @property
    def accepted(self) -> bool:
        """Whether the candidate may have the alias."""
        return self.decision == ACCEPTED

    def to_json(self) -> dict[str, Any]:
        """The decision as plain values; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Decision:
        """Read back what `to_json` wrote."""
        champion = fields["champion"]
        return cls(
            decision=fields["decision"],
            reasons=tuple(fields["reasons"]),
            candidate=Standing(**fields["candidate"]),
            champion=Standing(**champion) if champion else None,
            champion_digest=fields["champion_digest"],
            terms=Terms(**fields["terms"]),
        )


def judge(candidate: Standing, champion: Standing | None, terms: Terms) -> Decision:
    """Compare a candidate with the champion.

    Args:
        candidate: The candidate's standing.
        champion: The champion's on the same test split; None for the first model.
        terms: What is asked for.

    Returns:
        The decision, with its reasons.

    Raises:
        ValueError: The two were tested on different splits.
    """
    if champion is not None and champion.test_digest != candidate.test_digest:
        raise ValueError("standings on different test splits do not compare")
    digest = champion.model_digest if champion else ""
    accuracy = candidate.accuracy["value"]
    if champion and digest == candidate.model_digest:
        return Decision(ACCEPTED, ("it is the champion already",), candidate, champion, digest, terms)
    if accuracy < terms.floor:
        reason = f"accuracy {accuracy:.4f} is below the floor {terms.floor:.4f}"
        return Decision(REJECTED, (reason,), candidate, champion, digest, terms)
    if champion is None:
        reason = f"the first model; accuracy {accuracy:.4f} reaches the floor {terms.floor:.4f}"
        return Decision(ACCEPTED, (reason,), candidate, None, "", terms)
    return _against(candidate, champion, terms)


def without_comparison(candidate: Standing, champion_digest: str, why: str, terms: Terms) -> Decision:
    """The champion cannot be tested on this split: it stays.

    Args:
        candidate: The candidate's standing.
        champion_digest: Digest of the champion's model.
        why: What went wrong.
        terms: What is asked for.
    """
    reasons = (f"the champion cannot be compared on this test split, and stays: {why}",)
    return Decision(REJECTED, reasons, candidate, None, champion_digest, terms)


def _against(candidate: Standing, champion: Standing, terms: Terms) -> Decision:
    mine, theirs = candidate.accuracy["value"], champion.accuracy["value"]
    needed = f"{theirs:.4f}" + (f" + margin {terms.margin:.4f}" if terms.margin else "")
    better = mine > theirs + terms.margin
    reasons = [f"accuracy {mine:.4f} is {'above' if better else 'not above'} the champion's {needed}"]
    low, high = candidate.accuracy["low"], candidate.accuracy["high"]
    if low <= theirs <= high:
        reasons.append(f"the difference is within the 95 % interval {low:.4f} – {high:.4f}")
    return Decision(ACCEPTED if better else REJECTED, tuple(reasons), candidate, champion, champion.model_digest, terms)
