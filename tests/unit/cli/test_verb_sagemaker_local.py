"""`intermodal sagemaker-local` as typed: what it refuses, and that secrets come by name alone."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from intermodal.cli.main import main
from intermodal.cli.sagemaker_local import _images, _keys, _parser


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image", "nothing"], "--image takes REF=FOLDER"),
        (["--image", "a:1=/nowhere"], "has no bin"),
        (["--images", "/nowhere.json"], "--images cannot be read"),
        (["--fault", "throttle"], "--fault takes JSON"),
        (["--engine", "steam"], "invalid choice"),
        (["--port", "99999"], "0 to 65535"),
        (["--s3", "http://127.0.0.1:1", "--s3-key-env", "NOT_THERE"], "does not hold ACCESS_KEY:SECRET"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sagemaker-local", "--port", "0", "--home", str(tmp_path / "home"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["sagemaker-local", "--port", str(port), "--home", str(tmp_path)]) == 5
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_images_come_from_a_file_and_from_words_which_count_more(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name / "bin").mkdir(parents=True)
    file = tmp_path / "images.json"
    file.write_text(json.dumps({"a:1": str(tmp_path / "one"), "b:1": str(tmp_path / "two")}))
    options = _parser().parse_args(["--images", str(file), "--image", f"b:1={tmp_path / 'three'}"])
    assert _images(options) == {"a:1": tmp_path / "one", "b:1": tmp_path / "three"}


def test_the_key_of_another_s3_is_named_and_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_KEY", "key:se:cret")
    options = _parser().parse_args(["--s3", "http://127.0.0.1:1", "--s3-key-env", "STORE_KEY"])
    assert _keys(options) == ("key", "se:cret")
    assert _keys(_parser().parse_args([])) == ("", "")
