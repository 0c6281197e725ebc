"""Steps are found by name, by another package's announcement, and by module:function."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import toy_steps
from intermodal.core import registry
from intermodal.core.registry import CATALOGUE, known_steps, load_function, load_spec, target_of
from intermodal.errors import DataRejected, UsageError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable folder, whose modules are forgotten afterwards.

    Only those: whatever else was imported meanwhile would come a second time, with classes that are not the first's.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{tmp_path}/"):
            del sys.modules[name]


@pytest.fixture
def announced(package: Path) -> Iterator[None]:
    """A distribution that announces a step, as `pip install` leaves it."""
    info = package / "acme_steps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-steps\nVersion: 1.0\n")
    lines = ["[intermodal.steps]", "clean_reviews = acme_reviews:clean", "ingest = acme_reviews:other"]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    source = "from intermodal.core.step import step\n\n\n@step()\ndef clean(n: int = 1) -> int:\n    return n\n"
    (package / "acme_reviews.py").write_text(source)
    registry.announced.cache_clear()
    yield
    registry.announced.cache_clear()


def test_a_name_of_the_catalogue():
    assert target_of("train_pytorch") == target_of("train-pytorch") == "intermodal.steps.train_pytorch:train_pytorch"


def test_every_name_of_the_catalogue_is_its_module_and_function():
    for name, target in CATALOGUE.items():
        assert target == f"intermodal.steps.{name}:{name}"


@pytest.mark.usefixtures("announced")
def test_a_name_that_another_package_announces():
    assert target_of("clean-reviews") == "acme_reviews:clean"
    spec = load_spec("clean_reviews")
    assert (spec.name, spec.target) == ("clean", "acme_reviews:clean")


@pytest.mark.usefixtures("announced")
def test_the_catalogue_wins_over_an_announced_name():
    assert known_steps()["ingest"] == CATALOGUE["ingest"]


def test_module_and_function():
    assert target_of("toy_steps:make") == "toy_steps:make"
    assert load_function("toy_steps:make") is toy_steps.make


def test_nothing_is_imported_until_a_step_is_asked_for(package: Path):
    (package / "lazy_module.py").write_text("raise SystemError('imported')\n")
    assert target_of("lazy_module:step") == "lazy_module:step"
    assert "lazy_module" not in sys.modules


@pytest.mark.parametrize(
    ("typed", "near"), [("ingset", "ingest"), ("train-pytroch", "train_pytorch"), ("evalute", "evaluate")]
)
def test_a_near_miss_is_told(typed: str, near: str):
    with pytest.raises(UsageError, match="no step of that name") as caught:
        target_of(typed)
    assert caught.value.seen == typed
    assert near in caught.value.expected
    assert "module:function" in caught.value.next_step


def test_a_wide_miss_lists_every_step():
    with pytest.raises(UsageError) as caught:
        target_of("xyzzy")
    assert caught.value.expected == ", ".join(sorted(known_steps()))


def test_a_module_that_is_not_there():
    with pytest.raises(UsageError, match="cannot be imported") as caught:
        load_function("no_such_module.steps:clean")
    assert caught.value.seen == "no_such_module.steps"


def test_a_module_that_wants_a_package_that_is_not_there(package: Path):
    (package / "wanting.py").write_text("import no_such_package_at_all\n")
    with pytest.raises(UsageError, match="cannot be imported") as caught:
        load_function("wanting:clean")
    assert caught.value.seen == "wanting imports no_such_package_at_all"


@pytest.mark.parametrize(
    ("source", "seen"),
    [("1 / 0\n", "ZeroDivisionError"), ("def f(:\n", "SyntaxError"), ("from os import nothing\n", "ImportError")],
)
def test_a_module_that_fails_is_one_clear_error(package: Path, source: str, seen: str):
    (package / "failing_module.py").write_text(source)
    with pytest.raises(UsageError, match="cannot be imported") as caught:
        load_function("failing_module:clean")
    assert seen in caught.value.seen


def test_an_error_of_ours_inside_a_module_stays_what_it_is(package: Path):
    (package / "own_error.py").write_text("from intermodal.errors import DataRejected\nraise DataRejected('no')\n")
    with pytest.raises(DataRejected, match="no"):
        load_function("own_error:clean")


@pytest.mark.parametrize("name", ["toy_steps:mkae", "toy_steps:not_a_step", "toy_steps:Summary", "toy_steps:"])
def test_a_function_that_is_no_step_is_told_with_those_that_are(name: str):
    with pytest.raises(UsageError, match="has no such step") as caught:
        load_function(name)
    assert "make" in caught.value.expected
    assert "not_a_step" not in caught.value.expected


@pytest.mark.parametrize("name", [":f", ".relative:f"])
def test_a_malformed_name_is_one_clear_error(name: str):
    with pytest.raises(UsageError):
        load_function(name)
