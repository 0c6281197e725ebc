"""The command of an entry point, taken apart and filled in, without a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.errors import UsageError
from intermodal.mlflow_backend.project import (
    Entry,
    fetch,
    filled,
    raw,
    read_command,
    read_entry,
    values_of,
    without_credentials,
)
from launching import TESTS

ENTRY = Entry(
    "clean",
    "step",
    "clean",
    {"reviews": "{reviews}", "note": "{rows} rows of {reviews}"},
    {"reviews": None, "rows": "5"},
)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("intermodal step clean --reviews {r} --top {t}", ("step", "clean", {"reviews": "{r}", "top": "{t}"})),
        ("python3 -m intermodal step a.b:c", ("step", "a.b:c", {})),
        ("intermodal run p/x.py -p rows={rows} -p source={s}", ("run", "p/x.py", {"rows": "{rows}", "source": "{s}"})),
        ("intermodal run x.yaml --param a=b=c", ("run", "x.yaml", {"a": "b=c"})),
        ('intermodal step say --text "{a}, {b}"', ("step", "say", {"text": "{a}, {b}"})),
    ],
)
def test_a_command_of_ours(command: str, expected: object) -> None:
    assert read_command("e", command) == expected


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "neither"),
        ("python train.py {x}", "neither"),
        ("intermodal status", "neither"),
        ("intermodal report x --on y", "neither"),
        ("intermodal run x.py --on kubeflow", "cannot carry out"),
        ("intermodal run x.py -p {rows}", "cannot carry out"),
        ("intermodal step clean --no-cache", "cannot carry out"),
        ("intermodal step clean --a 1 && rm -r x", "cannot carry out"),
        ("intermodal step clean --a 1 --b", ""),
    ],
)
def test_another_command_is_refused(command: str, said: str) -> None:
    if not said:
        assert read_command("e", command)[2] == {"a": "1", "b": ""}
        return
    with pytest.raises(UsageError, match=said):
        read_command("e", command)


def test_every_entry_point_of_this_repository_is_understood() -> None:
    from mlflow.projects.utils import load_project

    root = TESTS.parent
    names = list(load_project(str(root))._entry_points)
    assert {"train_pytorch", "reviews"} <= set(names)
    for name in names:
        entry = read_entry(root, name)
        given = {key: "x" for key, default in entry.parameters.items() if default is None}
        arguments = filled(entry, values_of(entry, given))
        assert set(arguments) == set(entry.parameters)
        assert all("{" not in text or text.startswith(("{}", '{"')) for text in arguments.values())


def test_values_are_raw_and_complete() -> None:
    assert values_of(ENTRY, {"reviews": "it's {x}; $HOME", "rows": 7}) == {"reviews": "it's {x}; $HOME", "rows": "7"}
    assert values_of(ENTRY, {"reviews": "a", "rows": None}) == {"reviews": "a", "rows": "5"}
    assert filled(ENTRY, {"reviews": "{x}", "rows": "5"}) == {"reviews": "{x}", "note": "5 rows of {x}"}


def test_an_unknown_or_missing_parameter() -> None:
    with pytest.raises(UsageError, match="no such parameter") as unknown:
        values_of(ENTRY, {"reviews": "a", "row": 1})
    assert unknown.value.expected == "rows"
    with pytest.raises(UsageError, match="misses a parameter") as missing:
        values_of(ENTRY, {})
    assert missing.value.next_step == "add -P reviews=…"
    with pytest.raises(UsageError, match="does not declare"):
        filled(ENTRY, {"reviews": "a"})


def test_paths_are_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").touch()
    entry = Entry("e", "step", "s", {}, {"a": None, "b": None, "c": "", "d": None}, paths=("a", "b", "c", "d"))
    values = values_of(entry, {"a": "data.txt", "b": "s3://bucket/data.txt", "d": "not-there"})
    assert values == {"a": f"{tmp_path}/data.txt", "b": "s3://bucket/data.txt", "c": "", "d": "not-there"}


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), ([1, "a"], '[1, "a"]'), ({"a": 1}, '{"a": 1}'), (0.5, "0.5"), ("x", "x")]
)
def test_raw(value: object, text: str) -> None:
    assert raw(value) == text


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:token@host:8443/a/b.git#sub", "https://host:8443/a/b.git#sub"),
        ("https://host/a@b", "https://host/a@b"),
        ("git@host:a/b.git", "git@host:a/b.git"),
    ],
)
def test_nobody_sees_credentials(uri: str, shown: str) -> None:
    assert without_credentials(uri) == shown


def test_a_directory_outside_git(tmp_path: Path) -> None:
    project = fetch(str(tmp_path), None)
    assert (project.directory, project.fetched, project.source) == (tmp_path, False, str(tmp_path))
    assert (project.commit, project.repository, project.branch) == ("", "", "")
    assert fetch(f"file://{tmp_path}", None).directory == tmp_path
    with pytest.raises(UsageError, match="git repository"):
        fetch(str(tmp_path), "main")


def test_the_environment_that_uv_makes_can_be_found() -> None:
    """MLflow reads the paths in the file from the project's root, and fails on one that is not there."""
    from mlflow.utils.environment import _PythonEnv
    from mlflow.utils.virtualenv import _get_virtualenv_name

    root = TESTS.parent
    environment = _PythonEnv.from_yaml(str(root / "mlflow_project" / "python_env.yaml"))
    assert _get_virtualenv_name(environment, root).startswith("mlflow-")
    (own,) = [item for item in environment.dependencies if item.startswith("-e")]
    assert (root / own.removeprefix("-e ").partition("[")[0] / "pyproject.toml").is_file()
