"""The Markdown that steps write for the Kubeflow Pipelines UI."""

from __future__ import annotations

from intermodal.report.kfp_visuals import markdown_table
from intermodal.report.notes import evaluation_notes, registration_notes, training_notes, validation_notes


def test_an_evaluation_in_a_few_lines() -> None:
    accuracy = {"value": 0.5, "low": 0.4, "high": 0.6}
    found = {
        "kind": "tfidf", "split": "test", "rows": 1000, "accuracy": accuracy, "within_one": {"value": 0.9},
        "macro_f1": 0.48, "qwk": None, "test_digest": "ab" * 32,
    }  # fmt: skip
    text = evaluation_notes(found)
    assert text.startswith("# tfidf on split test\n")
    assert "| accuracy | 0.5000 |" in text
    assert "| reviews | 1,000 |" in text
    assert "qwk" not in text
    assert text.endswith("Test digest abababababab.\n")


def test_a_validation_names_what_fails() -> None:
    constraints = [
        {"title": "rating is <1 to 5>", "status": "Failure", "rows_failed": 3},
        {"title": "id is unique", "status": "Success"},
    ]
    checks = [{"level": "Warning", "constraints": constraints}]
    text = validation_notes({"status": "Warning", "rows": 10, "clean_rows": 7, "checks": checks})
    assert "| Warning | rating is &lt;1 to 5&gt; | 3 |" in text
    assert "unique" not in text
    assert text.endswith("7 of 10 rows are clean; 1 of 2 constraints hold.\n")


def test_a_registration_says_why() -> None:
    facts = {
        "registered_model": "reviews", "alias": "champion", "decision": "rejected", "reasons": ["below the floor"],
        "accuracy": {"value": 0.1}, "rows": 50, "kind": "tfidf", "champion": {"value": 0.4},
    }  # fmt: skip
    text = registration_notes(facts)
    assert text.startswith("# reviews@champion: rejected\n")
    assert "| the champion's accuracy | 0.4000 |" in text
    assert text.endswith("below the floor.\n")
    assert "champion's" not in registration_notes(facts | {"champion": None})


def test_a_training_names_its_splits() -> None:
    text = training_notes("baseline", {"validation_accuracy": 0.25}, "tfidf", ["train abc"])
    assert "| validation\\_accuracy | 0.2500 |" in text
    assert text.endswith("Trained on train abc.\n")


def test_a_table_without_rows_is_a_title() -> None:
    assert markdown_table("Nothing *new*", []) == "# Nothing \\*new\\*\n"
