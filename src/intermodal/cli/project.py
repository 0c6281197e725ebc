"""The files of a new project, as a value."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from importlib import resources

from intermodal import __version__
from intermodal.errors import UsageError

STEP = "count_words"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}[A-Za-z0-9]|[A-Za-z]")
_OWN_FOLDERS = ("tests", "pipelines")


def project_files(name: str) -> dict[str, str]:
    """The files of a project of that name.

    Args:
        name: The project's name; its package has underscores for dashes.

    Returns:
        Path relative to the project → text.

    Raises:
        UsageError: No package can have that name, or another has it.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    package = _package(name)
    folder = resources.files("intermodal.cli") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda item: (folder / item).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (Python and Markdown are written, no HTML)
    )
    facts = {
        "name": name,
        "package": package,
        "step": STEP,
        "step_task": STEP.replace("_", "-"),
        "version": __version__,
    }
    paths = _paths(package)
    return {path: environment.get_template(template).render(facts) for path, template in paths.items()}


def _paths(package: str) -> dict[str, str]:
    return {
        "pyproject.toml": "pyproject.toml.j2",
        "README.md": "README.md.j2",
        "MLproject": "MLproject.j2",
        ".gitignore": "gitignore.j2",
        f"{package}/__init__.py": "package.py.j2",
        f"{package}/steps.py": "steps.py.j2",
        "pipelines/hello.py": "hello.py.j2",
        "tests/test_steps.py": "test_steps.py.j2",
    }


def _package(name: str) -> str:
    """The package's name; refused when Python could not import it, or would import something else."""
    package = name.lower().replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(package):
        raise UsageError(
            "this is no name for a project",
            seen=name,
            expected="letters, digits, - and _, beginning with a letter, and no word of Python",
            next_step="intermodal init my-project",
        )
    taken = package in _OWN_FOLDERS or package in sys.stdlib_module_names
    if taken or importlib.util.find_spec(package) is not None:
        raise UsageError(
            "a Python package of this name is there already",
            seen=package,
            expected="a name of its own",
            next_step=f"intermodal init my-{name}",
        )
    return package
