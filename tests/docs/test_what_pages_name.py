"""What the README and the pages name is there: verbs, flags, files, links, variables, arguments of steps."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from intermodal.cli.main import HIDDEN, VERBS
from intermodal.core.registry import known_steps, load_function

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Flags of git, curl, kubectl, jupyter, kfp, mlflow, pip, torchrun and AWS's program, which pages type as well.
FOREIGN = {
    *(
        "--retry",
        "--retry-connrefused",
        "--retry-delay",
        "--index-url",
        "--endpoint",
        "--backend-config",
        "--env-manager",
    ),
    *("--docker-args", "--build-image", "--policy-name", "--policy-document", "--run-name", "--run-id"),
}


def read(page: Path) -> str:
    """A page without its Dockerfiles, which are in another language."""
    return re.sub(r"^```dockerfile.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def source() -> str:
    """Everything that is typed somewhere in the product."""
    folders = (ROOT / "src" / "intermodal", ROOT / "k8s", ROOT / "benchmarks")
    return "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verbs_and_flags_exist(page: Path) -> None:
    text = read(page)
    typed = set(re.findall(r"(?:^|[`$] )intermodal ([a-z][a-z-]+)", text, re.MULTILINE))
    assert typed <= {*VERBS, *HIDDEN}
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]+[a-z0-9]", text)) - FOREIGN
    known = source()
    shown = {f"--{name}" for name in re.findall(r"^    (\w+): (?:str|int|float|bool|Input)", text, re.MULTILINE)}
    own = shown | {f"--{name}" for step in known_steps() for name in inspect.signature(load_function(step)).parameters}
    assert [flag for flag in sorted(flags - own) if f'"{flag}"' not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_links_exist(page: Path) -> None:
    text = read(page)
    links = re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text)
    assert [link for link in links if link and "://" not in link and not (page.parent / link).exists()] == []
    named = re.findall(r"\b(?:pipelines|benchmarks|mlflow_project|components)/[a-z_./-]+\.\w+", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_are_read_somewhere(page: Path) -> None:
    known = source()
    named = set(re.findall(r"`(INTERMODAL_[A-Z_]+[A-Z])[=`]", read(page)))
    parts = (
        "INTERMODAL_ARGUMENT_NAME",
        "INTERMODAL_ATHENA_WORKGROUP",
        "INTERMODAL_REDSHIFT_DATABASE",
    )  # made of pieces
    assert [name for name in sorted(named - set(parts)) if name not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_steps_are_called_with_arguments_that_they_take(page: Path) -> None:
    for body in re.findall(r"```python[^\n]*\n(.*?)```", read(page), re.DOTALL):
        if "…" in body:  # an excerpt
            continue
        for call in ast.walk(ast.parse(body)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in known_steps():
                taken = set(inspect.signature(load_function(call.func.id)).parameters)
                assert {str(item.arg) for item in call.keywords} <= taken
