"""`intermodal init` makes a project that runs, and leaves nothing half-made."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fresh_environment import make_environment
from intermodal.cli.project import project_files
from launching import PATIENCE


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A new environment, in which intermodal is installed and this project is not."""
    return {**make_environment(tmp_path_factory.mktemp("new") / "environment"), "MLFLOW_TRACKING_URI": "off"}


def typed(words: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Type a command in a folder."""
    given = {"cwd": folder, "env": environment, "timeout": PATIENCE}
    return subprocess.run(["bash", "-c", words], capture_output=True, text=True, **given)


@pytest.fixture
def project(home, cli) -> Path:
    said = cli("init", "my-project")
    assert said.code == 0, said.err
    assert "cd my-project && intermodal run pipelines/hello.py" in said.out
    return Path.cwd() / "my-project"


def test_it_runs_without_being_installed(project, environment):
    done = typed("intermodal run pipelines/hello.py -p top=2 --json", project, environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == {"count-words.words": 11.0, "count-words.different_words": 8.0}
    again = typed("intermodal run pipelines/hello.py -p top=2", project, environment)
    assert again.returncode == 0, again.stderr
    assert "0 tasks ran, 1 cached" in again.stdout
    assert "the 4, ship 1" in typed(f"intermodal logs {json.loads(done.stdout)['run_id']}", project, environment).stdout
    assert typed("intermodal verify --all", project, environment).returncode == 0


def test_its_own_test_passes_and_can_fail(project, environment):
    command = "python -m pytest -q -p no:cacheprovider"
    done = typed(command, project, environment)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    steps = project / "my_project" / "steps.py"
    steps.write_text(steps.read_text().replace("most_common(top)", "most_common(1)"))
    assert typed(command, project, environment).returncode == 1


def test_once_installed_its_step_has_a_name_everywhere(project, tmp_path):
    """A real `pip install -e .`, from the packages that are already here."""
    environment = {**make_environment(tmp_path / "environment"), "MLFLOW_TRACKING_URI": "off"}
    done = typed("pip install --quiet -e .", project, environment)
    assert done.returncode == 0, done.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    listed = typed("intermodal step", elsewhere, environment)
    assert "my_project.steps:count_words" in listed.stdout
    helped = typed("intermodal step count_words --help", elsewhere, environment)
    assert "Keep this many of the most frequent words." in helped.stdout
    done = typed("intermodal step count_words --text 'b a b' --json", elsewhere, environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["count_words.words"] == 3.0


def test_the_object(home, cli):
    told = cli("init", "deep/er/words", "--json").json
    assert Path(told["directory"]) == Path.cwd() / "deep" / "er" / "words"
    assert {"pyproject.toml", "README.md", "words/steps.py", "pipelines/hello.py", "tests/test_steps.py"} <= set(
        told["files"]
    )
    assert all((Path(told["directory"]) / name).is_file() for name in told["files"])


def test_an_empty_directory_is_filled(home, cli):
    Path("words").mkdir()
    assert cli("init", "words").code == 0
    assert Path("words/pyproject.toml").is_file()


@pytest.mark.parametrize("kind", ["directory", "file", "hidden", "link"])
def test_what_is_there_is_never_touched(home, cli, kind):
    target = Path("words")
    if kind == "file":
        target.write_text("mine")
    elif kind == "link":
        target.symlink_to("nowhere")
    else:
        target.mkdir()
        (target / (".mine" if kind == "hidden" else "mine")).write_text("mine")
    said = cli("init", "words")
    assert said.code == 2
    assert "something here already" in said.err
    assert not Path("words/pyproject.toml").exists()
    assert sorted(item.name for item in Path.cwd().iterdir()) == ["words"]


@pytest.mark.parametrize("name", ["9lives", "class", "two words", "a.b", "-", "dash-", "ümlaut", "x" * 70])
def test_a_name_that_no_package_can_have(home, cli, name):
    said = cli("init", "--", name)
    assert said.code == 2
    assert "no name for a project" in said.err
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("name", ["json", "tests", "pipelines", "intermodal", "kfp", "PyTest"])
def test_a_name_that_would_hide_another_package(home, cli, name):
    said = cli("init", name)
    assert said.code == 2
    assert "there already" in said.err


def test_a_write_that_fails_leaves_nothing(home, cli, monkeypatch):
    written = Path.write_text

    def full(path: Path, *given, **options):
        if path.name == "hello.py":
            raise OSError(28, "No space left on device", str(path))
        return written(path, *given, **options)

    monkeypatch.setattr(Path, "write_text", full)
    said = cli("init", "words")
    assert said.code == 5
    assert "No space left on device" in said.err
    assert list(Path.cwd().iterdir()) == []


def test_every_python_file_is_sound(tmp_path):
    for path, text in project_files("my-words").items():
        assert "{{" not in text
        assert text.endswith("\n")
        if path.endswith(".py"):
            compile(text, path, "exec")
            assert "from __future__ import annotations" not in text.split('"""', 2)[2]
