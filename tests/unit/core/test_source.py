"""The source digest changes with every first-party file a step depends on, and with nothing else."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from intermodal.core.registry import CATALOGUE
from intermodal.core.source import MACHINERY, source_digest, source_files

FILES = {
    "acme/__init__.py": "LOADED = True\n",
    "acme/settings.json": "{}",
    "acme/steps/__init__.py": "",
    "acme/steps/clean.py": (
        "import json\nimport numpy\nimport acme.deep.er.most\nfrom ..text import tidy\nfrom . import near\n"
        "from intermodal.core.step import step\nfrom intermodal.errors import DataRejected\n"
        "import neighbour\n\n\ndef clean():\n"
        "    from acme.lazy import late\n    import acme.lazy.later as later\n    open('words.dat')\n"
    ),
    "acme/steps/near.py": "NEAR = 1\n",
    "acme/steps/words.dat": "one two",
    "acme/steps/unnamed.dat": "never read",
    "acme/text/__init__.py": "from .inner import *\n",
    "acme/text/inner.py": "tidy = 1\n",
    "acme/text/page.html": "<p>",
    "acme/text/partials/row.j2": "<td>",
    "acme/text/README.md": "words",
    "acme/lazy/__init__.py": "late = 1\n",
    "acme/lazy/later.py": "import acme.steps.clean  # a circle\n",
    "acme/deep/er/most.py": "MOST = 1  # in a namespace package\n",
    "acme/unrelated.py": "OTHER = 1\n",
    "acme/other/__init__.py": "",
    "acme/other/other.html": "<p>",
    "neighbour.py": "NEXT = 1\n",
    "stranger.py": "NEVER = 1\n",
}
RELEVANT = [
    "acme/__init__.py",
    "acme/settings.json",
    "acme/steps/__init__.py",
    "acme/steps/clean.py",
    "acme/steps/near.py",
    "acme/steps/words.dat",
    "acme/text/__init__.py",
    "acme/text/inner.py",
    "acme/text/page.html",
    "acme/text/partials/row.j2",
    "acme/lazy/__init__.py",
    "acme/lazy/later.py",
    "acme/deep/er/most.py",
    "neighbour.py",
]
TARGET = "acme.steps.clean:clean"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package on the path, as in a checkout."""
    root = tmp_path / "project"
    write(root, FILES)
    monkeypatch.syspath_prepend(str(root))
    importlib.invalidate_caches()
    return root


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.usefixtures("project")
def test_exactly_the_relevant_files_count():
    assert set(source_files(TARGET)) == {
        "acme",
        "acme/settings.json",
        "acme.steps",
        "acme.steps.clean",
        "acme.steps.clean/words.dat",
        "acme.steps.near",
        "acme.text",
        "acme.text.inner",
        "acme.text/page.html",
        "acme.text/partials/row.j2",
        "acme.lazy",
        "acme.lazy.later",
        "acme.deep.er.most",
        "neighbour",
    }


@pytest.mark.usefixtures("project")
def test_nothing_is_imported_to_find_out():
    before = set(sys.modules)
    source_files(TARGET)
    assert not {name for name in set(sys.modules) - before if name.startswith(("acme", "neighbour", "numpy."))}


@pytest.mark.parametrize("name", RELEVANT)
def test_a_changed_file_changes_the_digest(project: Path, name: str):
    before = source_files(TARGET)
    (project / name).write_text(FILES[name] + "\n\n")
    after = source_files(TARGET)
    assert [key for key in after if after[key] != before.get(key)] != []
    assert len([key for key in after if after[key] != before.get(key)]) == 1
    assert source_digest(after) != source_digest(before)


@pytest.mark.parametrize("name", sorted(set(FILES) - set(RELEVANT)))
def test_an_unrelated_file_changes_nothing(project: Path, name: str):
    before = source_files(TARGET)
    (project / name).write_text(FILES[name] + "\n\n")
    assert source_files(TARGET) == before


def test_a_new_import_is_found(project: Path):
    before = source_files(TARGET)
    (project / "acme/steps/near.py").write_text("from acme import unrelated\n")
    assert set(source_files(TARGET)) - set(before) == {"acme.unrelated"}


def test_a_new_template_is_found(project: Path):
    before = source_files(TARGET)
    (project / "acme/text/other.html").write_text("<p>")
    assert set(source_files(TARGET)) - set(before) == {"acme.text/other.html"}


def test_an_installed_package_does_not_count(project: Path):
    site = project / "lib" / "site-packages"
    write(site, {"thirdparty/__init__.py": "import thirdparty.inner\n", "thirdparty/inner.py": ""})
    sys.path.append(str(site))
    try:
        before = source_files(TARGET)
        (project / "acme/steps/near.py").write_text("import thirdparty\nimport json\nimport numpy.linalg\n")
        assert set(source_files(TARGET)) == set(before)
    finally:
        sys.path.remove(str(site))


def test_an_installed_package_counts_for_its_own_steps(project: Path):
    site = project / "lib" / "site-packages"
    write(site, {"vendor/__init__.py": "", "vendor/steps.py": "from vendor import helper\n", "vendor/helper.py": ""})
    sys.path.append(str(site))
    try:
        assert set(source_files("vendor.steps:go")) == {"vendor", "vendor.steps", "vendor.helper"}
    finally:
        sys.path.remove(str(site))


def test_a_step_in_a_plain_module():
    assert set(source_files("toy_steps:make")) == {"toy_steps"}


def test_the_machinery_does_not_count_for_the_catalogue():
    for target in CATALOGUE.values():
        names = source_files(target)
        assert "intermodal" not in names
        assert not [name for name in names if name.startswith(MACHINERY)]


def test_the_order_of_the_files_does_not_matter():
    files = {"a": "1", "b": "2"}
    assert source_digest(files) == source_digest(json.loads('{"b": "2", "a": "1"}'))
    assert source_digest({"a": "2", "b": "1"}) != source_digest(files)
