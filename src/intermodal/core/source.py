"""The digest of a step's source: its own file and every first-party module it imports.

Imports are read from the syntax tree, the ones inside functions included, so that nothing is imported
to find out. Only modules of the step's own top-level package count: third-party packages enter the
cache key through the environment's digest. The machinery that does not change what a step computes
(the step contract, the errors) is left out, or every release would recompute everything.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

DATA_SUFFIXES = (".html", ".jinja", ".j2", ".css", ".js", ".json", ".txt", ".svg")
MACHINERY = ("intermodal.core", "intermodal.errors", "intermodal.cli", "intermodal.runtime", "intermodal.store")


def source_files(target: str) -> dict[str, str]:
    """Digest every source file a step's result depends on.

    Args:
        target: "module:function".

    Returns:
        Module name → sha256 of its file, in the order of the names.
    """
    first = target.partition(":")[0]
    package = first.partition(".")[0]
    digests: dict[str, str] = {}
    waiting = [first]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if name in digests or path is None:
            continue
        digest, imported = _read(path, name)
        digests[name] = digest
        digests |= _data_files(path, name)
        waiting += [item for item in imported if item.partition(".")[0] == package and not _is_machinery(item)]
    return dict(sorted(digests.items()))


def source_digest(files: dict[str, str]) -> str:
    """One digest over what `source_files` found."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _data_files(path: Path, module: str) -> dict[str, str]:
    """Templates, style sheets and the like that lie in the same package as a module."""
    if path.name != "__init__.py":
        return {}
    found = [item for item in sorted(path.parent.rglob("*")) if item.suffix in DATA_SUFFIXES and item.is_file()]
    return {
        f"{module}/{item.relative_to(path.parent)}": hashlib.sha256(item.read_bytes()).hexdigest() for item in found
    }


def _is_machinery(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in MACHINERY)


@lru_cache(maxsize=4096)
def _file_of(module: str) -> Path | None:
    parent = module.rpartition(".")[0]
    holder = _file_of(parent) if parent else None
    if holder is not None and holder.name != "__init__.py":
        return None  # `module` is a name inside a plain module: asking for it would import that module
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if found is None or not found.origin or not found.origin.endswith(".py"):
        return None
    return Path(found.origin)


def _read(path: Path, module: str) -> tuple[str, tuple[str, ...]]:
    """sha256 of a file, and the modules it may import; remembered while the file is unchanged."""
    stat = path.stat()
    return _parse(str(path), module, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _parse(path: str, module: str, _modified: int, _size: int) -> tuple[str, tuple[str, ...]]:
    text = Path(path).read_bytes()
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += _from_names(node, package)
    return hashlib.sha256(text).hexdigest(), tuple(dict.fromkeys(names))


def _from_names(node: ast.ImportFrom, package: str) -> list[str]:
    """Modules that `from X import a, b` may read: X itself, X.a and X.b."""
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        parents = parents[: len(parents) - node.level + 1]
        base = ".".join([*parents, base] if base else parents)
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]
