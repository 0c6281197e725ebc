"""Settings: environment over file, file over default."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.core.config import load_settings
from intermodal.errors import UsageError

NAMES = ("INTERMODAL_HOME", "INTERMODAL_STORE", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a file, an environment without settings."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_defaults(bare: Path):
    settings = load_settings()
    assert settings.home == bare / ".intermodal"
    assert settings.runs == bare / ".intermodal" / "runs"
    assert settings.store == str(bare / ".intermodal" / "store")
    assert settings.tracking_uri == f"sqlite:///{bare}/.intermodal/mlflow.db"
    assert settings.experiment == "intermodal"
    assert settings.extra == {}


FILE = """
[intermodal]
home = "from-file"
store = "s3://bucket/prefix/"
[mlflow]
tracking_uri = "http://file:5000"
experiment = "file"
[sagemaker]
role = "arn"
"""


def test_the_file_wins_over_the_defaults(bare: Path):
    (bare / "intermodal.toml").write_text(FILE)
    settings = load_settings()
    assert settings.home == bare / "from-file"
    assert settings.store == "s3://bucket/prefix"
    assert (settings.tracking_uri, settings.experiment) == ("http://file:5000", "file")
    assert settings.extra["sagemaker"] == {"role": "arn"}


def test_the_environment_wins_over_the_file(bare: Path, monkeypatch: pytest.MonkeyPatch):
    (bare / "intermodal.toml").write_text(FILE)
    for name, value in zip(NAMES, ("here", "there", "off", "mine"), strict=True):
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.home == bare / "here"
    assert settings.store == str(bare / "there")
    assert (settings.tracking_uri, settings.experiment) == ("off", "mine")


def test_an_empty_variable_counts_as_absent(bare: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERMODAL_HOME", "")
    assert load_settings().home == bare / ".intermodal"


def test_the_store_and_database_follow_the_home(bare: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERMODAL_HOME", "~/x")
    monkeypatch.setenv("HOME", str(bare / "me"))
    settings = load_settings()
    assert settings.home == bare / "me" / "x"
    assert settings.store == str(bare / "me" / "x" / "store")
    assert settings.tracking_uri == f"sqlite:///{bare}/me/x/mlflow.db"


def test_a_file_uri_is_a_directory(bare: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERMODAL_STORE", f"file://{bare}/store")
    assert load_settings().store == f"{bare}/store"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[intermodal\n", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"[intermodal]\nhome = 7\n", "intermodal.home has the wrong type"),
        (b'intermodal = "x"\n', "intermodal has the wrong type"),
        (b"[mlflow]\nexperiment = ['a']\n", "mlflow.experiment has the wrong type"),
    ],
)
def test_a_broken_file_is_one_clear_error(bare: Path, content: bytes, words: str):
    (bare / "intermodal.toml").write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        load_settings()
    assert "intermodal.toml" in caught.value.headline


def test_another_directory_may_be_read(bare: Path):
    (bare / "other").mkdir()
    (bare / "other" / "intermodal.toml").write_text('[mlflow]\nexperiment = "other"\n')
    assert load_settings(bare / "other").experiment == "other"
