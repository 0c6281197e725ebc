"""The digest of a step's source: its own file and every first-party file it depends on.

Imports are read from the syntax tree, the ones inside functions included, so that nothing is imported
to find out. First-party is the step's own package, whatever is not installed (a module beside the
step's, say), and this package. Installed packages enter the cache key through the environment's digest.
The machinery that does not change what a step computes (the step contract, the errors) is left out, or
every release would recompute everything.

Beside modules count the data they come with: templates and the like inside their packages, and every
file beside a module that its source names.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

DATA_SUFFIXES = (".html", ".jinja", ".j2", ".css", ".js", ".json", ".txt", ".svg", ".csv", ".toml", ".yaml", ".yml")
# How AWS is asked changes no result; what it is asked does, so the rest of `intermodal.aws` counts.
_ASKING = (
    *("calls", "client", "job_kinds", "jobs", "names", "request", "sending", "service_model", "settings"),
    *("surroundings", "tags", "billing", "price_list", "prices", "service_bills", "ownership"),
)
MACHINERY: tuple[str, ...] = (
    *(f"intermodal.{name}" for name in ("core", "errors", "cli", "runtime", "store")),
    *(f"intermodal.aws.{name}" for name in _ASKING),
)
_THIS_PACKAGE = "intermodal"
_FILE_NAME = re.compile(r"[\w][\w./-]{0,100}\.\w{1,12}")


@dataclass(frozen=True)
class _Place:
    """Where a module lies: its file, none for a namespace, and the folders of its submodules."""

    file: Path | None
    folders: tuple[Path, ...]


def source_files(target: str) -> dict[str, str]:
    """Digest every source file a step's result depends on.

    Args:
        target: "module:function".

    Returns:
        Module name (or module/file for data) → sha256 of its file, in the order of the names.
    """
    first = target.partition(":")[0]
    package = first.partition(".")[0]
    digests: dict[str, str] = {}
    waiting, seen = [first], {first}
    while waiting:
        name = waiting.pop()
        place = _find(name)
        imported = _digest_module(name, place.file, digests) if place and place.file else ()
        # Importing a.b.c runs a and a.b too.
        parent = name.rpartition(".")[0]
        new = {item for item in (*imported, parent) if item and item not in seen and _counts(item, package)}
        seen |= new
        waiting += sorted(new)
    return dict(sorted(digests.items()))


def source_digest(files: dict[str, str]) -> str:
    """One digest over what `source_files` found."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _digest_module(name: str, path: Path, digests: dict[str, str]) -> tuple[str, ...]:
    """Add a module's digest, and those of its data; the modules it imports."""
    stat = path.stat()
    digests[name], imported, named = _parse(str(path), name, stat.st_mtime_ns, stat.st_size)
    for item in {*_package_data(path), *(path.parent / text for text in named)}:
        if item.is_file():
            key = f"{name}/{item.relative_to(path.parent).as_posix()}"
            digests[key] = hashlib.sha256(item.read_bytes()).hexdigest()
    return imported


def _package_data(path: Path) -> Iterator[Path]:
    """Templates, style sheets and the like inside a package, outside its subpackages."""
    if path.name != "__init__.py":
        return
    waiting = [path.parent]
    while waiting:
        for item in waiting.pop().iterdir():
            if item.is_dir() and not (item / "__init__.py").exists():
                waiting.append(item)
            elif item.suffix in DATA_SUFFIXES:
                yield item


def _counts(module: str, package: str) -> bool:
    """Whether a module is first-party, and no machinery."""
    if module == _THIS_PACKAGE or any(module == name or module.startswith(name + ".") for name in MACHINERY):
        return False
    top = module.partition(".")[0]
    return top in (package, _THIS_PACKAGE) or _is_uninstalled(top)


def _is_uninstalled(top: str) -> bool:
    """Whether a top-level module lies outside the standard library and the installed packages."""
    if top in sys.stdlib_module_names:
        return False
    place = _find(top)
    locations = [*place.folders, *([place.file] if place.file else [])] if place else []
    installed = tuple(Path(sysconfig.get_paths()[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return bool(locations) and not any(
        item.is_relative_to(root) or {"site-packages", "dist-packages"} & set(item.parts)
        for item in locations
        for root in installed
    )


def _find(module: str) -> _Place | None:
    """Where a module lies; only for its top-level name is Python's own machinery asked, which imports nothing."""
    parent, _, name = module.rpartition(".")
    if not parent:
        return _find_top(module)
    holder = _find(parent)
    for folder in holder.folders if holder else ():
        if (folder / name / "__init__.py").is_file():
            return _Place(folder / name / "__init__.py", (folder / name,))
        if (folder / f"{name}.py").is_file():
            return _Place(folder / f"{name}.py", ())
        if (folder / name).is_dir():
            return _Place(None, (folder / name,))
    return None


def _find_top(name: str) -> _Place | None:
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    file = Path(found.origin) if found.origin and found.origin.endswith(".py") else None
    return _Place(file, tuple(Path(item) for item in found.submodule_search_locations or ()))


@lru_cache(maxsize=4096)
def _parse(path: str, module: str, _modified: int, _size: int) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """sha256, imported modules and named files of a source file; remembered while it is unchanged."""
    text = Path(path).read_bytes()
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    names: list[str] = []
    files: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += _from_names(node, package)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _FILE_NAME.fullmatch(node.value):
            files.append(node.value)
    return hashlib.sha256(text).hexdigest(), tuple(dict.fromkeys(names)), tuple(dict.fromkeys(files))


def _from_names(node: ast.ImportFrom, package: str) -> list[str]:
    """Modules that `from X import a, b` may read: X itself, X.a and X.b."""
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        parents = parents[: len(parents) - node.level + 1]
        base = ".".join([*parents, base] if base else parents)
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]
