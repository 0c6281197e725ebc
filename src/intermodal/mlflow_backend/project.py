"""The project: fetched, its version checked out, its entry point understood."""

from __future__ import annotations

import difflib
import json
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from intermodal.errors import UsageError
from intermodal.runtime.entry import PIPELINE, STEP

_PYTHONS = (["python", "-m"], ["python3", "-m"])


@dataclass(frozen=True)
class Project:
    """A project on this machine.

    Attributes:
        directory: Where its `MLproject` lies.
        fetched: Whether that is a copy made for this run.
        source: What MLflow shows as the run's source.
        commit: Commit that is checked out; empty outside git.
        repository: URL of its repository, without credentials; empty when there is none.
        branch: The version, if it is a branch.
    """

    directory: Path
    fetched: bool
    source: str
    commit: str = ""
    repository: str = ""
    branch: str = ""


@dataclass(frozen=True)
class Entry:
    """An entry point whose command is one of intermodal's.

    Attributes:
        name: Its name.
        kind: "step" or "run".
        target: The step's name, or the pipeline's file.
        arguments: Parameter or input → its text, in which {name} stands for a parameter of the entry point.
        parameters: Parameter of the entry point → its default as text; None when it must be given.
        paths: Parameters that are paths, taken from the caller's directory.
    """

    name: str
    kind: str
    target: str
    arguments: dict[str, str]
    parameters: dict[str, str | None]
    paths: tuple[str, ...] = ()


def fetch(uri: str, version: str | None) -> Project:
    """Bring a project to this machine.

    Args:
        uri: A directory, a git repository or a zip file, with `#subdirectory` where it is not at the root.
        version: Commit, tag or branch; for git only.

    Raises:
        UsageError: The directory is no git repository, or has no such version.
        mlflow.exceptions.ExecutionException: MLflow could not fetch it.
    """
    from mlflow.projects.utils import _expand_uri, _fetch_project, _is_local_uri, _is_valid_branch_name, _is_zip_uri
    from mlflow.utils.git_utils import get_git_commit, get_git_repo_url

    base, _, subdirectory = uri.strip("'\"").partition("#")
    local = _is_local_uri(base) and not _is_zip_uri(base)
    if local and version:
        # MLflow itself would check the version out in the very directory, over the user's work.
        directory = _clone(_directory(base), version) / subdirectory
    else:
        directory = Path(_fetch_project(uri, version))
    origin = _directory(base) if local else directory
    return Project(
        directory=directory,
        fetched=not local or bool(version),
        source=_shown(Path(_expand_uri(str(origin))), subdirectory) if local else without_credentials(uri),
        commit=get_git_commit(str(directory)) or "",
        repository=get_git_repo_url(str(origin)) or "",
        branch=version if version and _is_valid_branch_name(str(directory), version) else "",
    )


def read_entry(directory: Path, name: str) -> Entry:
    """Read an entry point of a project's `MLproject`.

    Raises:
        UsageError: Its command is not one of intermodal's.
        mlflow.exceptions.ExecutionException: There is no such entry point.
    """
    from mlflow.projects.utils import load_project

    found = load_project(str(directory)).get_entry_point(name)
    kind, target, arguments = read_command(name, found.command or "")
    declared = found.parameters
    return Entry(
        name=name,
        kind=kind,
        target=target,
        arguments=arguments,
        parameters={key: None if item.default is None else raw(item.default) for key, item in declared.items()},
        paths=tuple(key for key, item in declared.items() if item.type == "path"),
    )


def read_command(name: str, command: str) -> tuple[str, str, dict[str, str]]:
    """Take the command of an entry point apart.

    Args:
        name: The entry point's name, for the error.
        command: Such as `intermodal step clean --reviews {reviews}`.

    Returns:
        The verb, its first word, and the words that its flags set.

    Raises:
        UsageError: It is another command, or has a flag that a backend decides.
    """
    words = shlex.split(command)
    words = words[2:] if words[:2] in _PYTHONS else words
    if len(words) < 3 or words[0] != "intermodal" or words[1] not in (STEP, PIPELINE):
        raise UsageError(
            f"entry point {name} is neither a step nor a pipeline of intermodal",
            seen=command,
            expected="intermodal step STEP --name {name} …, or intermodal run PIPELINE -p name={name} …",
            next_step="run it without -b, on MLflow's own backend",
        )
    kind, target, rest = words[1], words[2], words[3:]
    arguments: dict[str, str] = {}
    for flag, value in zip(rest[::2], [*rest[1::2], *[""] * (len(rest) % 2)], strict=True):
        key, text = (flag.removeprefix("--"), value) if kind == STEP else value.partition("=")[::2]
        well = flag.startswith("--") if kind == STEP else flag in ("-p", "--param") and "=" in value
        if not well or flag in ("--debug", "--no-cache", "--json", "--quiet"):
            raise UsageError(
                f"entry point {name} has a word that its backend cannot carry out",
                seen=f"{flag} {value}".strip(),
                expected="parameters only",
                next_step='put {"use_cache": false} or {"mode": "container"} into --backend-config instead',
            )
        arguments[key] = text
    return kind, target, arguments


def values_of(entry: Entry, given: Mapping[str, Any] | None) -> dict[str, str]:
    """The parameters of an entry point, raw: what was given, and the defaults of the rest.

    Args:
        entry: The entry point.
        given: What followed each `-P`, or the mapping that a program passed.

    Raises:
        UsageError: One is unknown, or one without a default is missing.
    """
    given = given or {}
    unknown = [name for name in given if name not in entry.parameters]
    if unknown:
        near = difflib.get_close_matches(unknown[0], entry.parameters, n=1) or list(entry.parameters)
        raise UsageError(f"entry point {entry.name} has no such parameter", seen=unknown[0], expected=", ".join(near))
    missing = [name for name, default in entry.parameters.items() if default is None and given.get(name) is None]
    if missing:
        words = " ".join(f"-P {name}=…" for name in missing)
        raise UsageError(
            f"entry point {entry.name} misses a parameter", expected=", ".join(missing), next_step=f"add {words}"
        )
    values = {name: default or "" for name, default in entry.parameters.items()}
    values |= {name: raw(value) for name, value in given.items() if value is not None}
    return {name: _from_here(value) if name in entry.paths else value for name, value in values.items()}


def filled(entry: Entry, values: Mapping[str, str]) -> dict[str, str]:
    """The arguments of the step or pipeline, each parameter in its place; no shell comes near them.

    Raises:
        UsageError: The command names a parameter that the entry point does not declare.
    """
    try:
        return {name: text.format(**values) for name, text in entry.arguments.items()}
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(
            f"the command of entry point {entry.name} names what it does not declare",
            seen=error,
            expected=", ".join(entry.parameters),
        ) from error


def raw(value: Any) -> str:
    """A value as one would type it: JSON for lists, mappings and truth values."""
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)


def without_credentials(uri: str) -> str:
    """A URI that may be shown: no user and password in it."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host)) if parts.scheme in ("http", "https") else uri


def _directory(uri: str) -> Path:
    return Path(urlsplit(uri).path if uri.startswith("file://") else uri).absolute()


def _from_here(value: str) -> str:
    return str(Path(value).absolute()) if value and "://" not in value and Path(value).exists() else value


def _clone(directory: Path, version: str) -> Path:
    """A copy of a local repository at a version; the directory within it."""
    import git

    try:
        root = Path(git.Repo(directory, search_parent_directories=True).working_tree_dir or directory)
        target = Path(tempfile.mkdtemp(prefix="intermodal-project-"))
        git.Repo.clone_from(str(root), target, no_checkout=True).git.checkout(version)
    except git.exc.InvalidGitRepositoryError as error:
        raise UsageError("a version needs a git repository", seen=directory, expected="a git repository") from error
    except git.exc.GitCommandError as error:
        said = str(error.stderr).strip().removeprefix("stderr: ").strip("' \n")
        raise UsageError(
            "the version cannot be checked out", seen=f"{version}: {said}", expected="a commit, tag or branch"
        ) from error
    return target / directory.relative_to(root)


def _shown(directory: Path, subdirectory: str) -> str:
    """A local project as MLflow names it: the repository's URL with the directory behind it, else the path."""
    import git

    directory = directory / subdirectory
    try:
        root = Path(git.Repo(directory, search_parent_directories=True).working_tree_dir or directory)
    except git.exc.GitError:
        return str(directory)
    inside = str(directory.relative_to(root)) if directory.is_relative_to(root) else "."
    return f"file://{root}" + (f"#{inside}" if inside != "." else "")
