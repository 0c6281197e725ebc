"""`intermodal step`: one step on its own, from its name, its module, or an installed package."""

from __future__ import annotations

from pathlib import Path

from intermodal.core.registry import CATALOGUE
from launching import intermodal


def test_help_has_types_defaults_and_documentation_for_every_step(home: Path) -> None:
    from intermodal.core.registry import load_spec

    for name in CATALOGUE:
        text = " ".join(intermodal("step", name, "--help").out.split())
        spec = load_spec(name)
        assert spec.summary in text
        for item in spec.parameters:
            assert f"--{item.name} {item.type.__name__.upper()}" in text, (name, item.name)
            assert item.doc, f"{name}: {item.name} has no documentation"
        for slot in (*spec.inputs, *spec.outputs):
            assert slot.doc, f"{name}: {slot.name} has no documentation"


def test_a_step_makes_artifacts_that_the_next_one_takes_by_name(home: Path) -> None:
    made = intermodal("step", "toy_steps:make", "--n", "5", "--json")
    assert made.code == 0, made.err
    assert made.json["artifacts"]["make.data"]["digest"]
    counted = intermodal("step", "toy_steps:total", "--parts", made.json["artifacts"]["make.data"]["uri"], "--json")
    assert counted.json["tasks"][0]["values"] == {"Output": 10}
    again = intermodal("step", "toy_steps:make", "--n", "5", "--json")
    assert again.json["tasks"][0]["state"] == "CACHED"
    by_name = intermodal("step", "toy_steps:total", "--parts", "make.data", "--json")
    assert by_name.json["tasks"][0]["state"] == "CACHED"


def test_wrong_words_are_told_in_one_line(home: Path) -> None:
    for words, expected in (
        (["nothing_like_it"], "there is no step of that name"),
        (["toy_steps:make", "--n", "five"], "a whole number"),
        (["toy_steps:make", "--m", "5"], "--m"),
        (["toy_steps:total"], "--parts URI"),
        (["toy_steps:total", "--parts", "/not/there"], "/not/there"),
        (["toy_steps:not_a_step"], "toy_steps"),
    ):
        answer = intermodal("step", *words)
        assert answer.code in (2, 5), (words, answer.err)
        assert expected in answer.err, (words, answer.err)
        assert "Traceback" not in answer.err


def test_the_list_of_steps(home: Path) -> None:
    assert set(CATALOGUE) <= set(intermodal("step", "--json").json["steps"])
    assert "intermodal.steps.ingest:ingest" in intermodal("step").out
