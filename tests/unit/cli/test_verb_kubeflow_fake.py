"""`intermodal kubeflow-fake` as typed: what it refuses, and that secrets come by name alone."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from intermodal.cli.main import main
from launching import PATIENCE, start


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pod-env", "NAME"], "--pod-env takes NAME=VALUE"),
        (["--secret", "database.password=ABSENT"], "--secret names a variable that is not set"),
        (["--token-env", "ABSENT"], "--token-env names a variable that is not set"),
        (["--fault", "{"], "--fault takes JSON"),
        (["--fault", '{"colour": "red"}'], "--fault is not understood"),
        (["--tasks", "magic"], "invalid choice"),
    ],
)
def test_words_it_does_not_understand(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kubeflow-fake", "--port", "0", "--home", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_port_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["kubeflow-fake", "--port", str(port), "--home", str(tmp_path)]) == 5
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_it_listens_on_loopback_and_demands_the_token_it_was_told(tmp_path: Path) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    words = ["kubeflow-fake", "--port", "0", "--home", str(tmp_path), "--token-env", "TOKEN", "--json"]
    process = start(*words, TOKEN="hunter2")
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(HTTPError, match="401"):
            urlopen(f"{url}/apis/v2beta1/healthz")
        request = Request(f"{url}/apis/v2beta1/healthz", headers={"Authorization": "Bearer hunter2"})
        with urlopen(request) as answer:
            assert json.loads(answer.read())["multi_user"] is False
    finally:
        process.terminate()
    assert process.wait(PATIENCE) == 0
    assert not any("hunter2" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())
