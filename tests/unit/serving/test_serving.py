"""A model over HTTP: the three ways to ask, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from free_ports import free_port
from intermodal.errors import UsageError
from intermodal.serving.questions import LONGEST_REQUEST, MOST_TEXTS, texts_of, texts_of_tensors
from launching import PATIENCE, command, intermodal

# Five classes, the rating told by the number of exclamation marks.
PREDICTOR = """
import numpy

class Predictor:
    labels = ["1", "2", "3", "4", "5"]
    def __init__(self, directory):
        pass
    def predict_proba(self, texts):
        rows = numpy.full((len(texts), 5), 0.1, numpy.float32)
        for row, text in zip(rows, texts):
            row[min(text.count("!"), 4)] = 0.6
        return rows
"""


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"inputs": ["a", "b,c"]}', "application/json"),
        ('{"instances": [{"text": "a"}, {"text": "b,c"}]}', "application/json; charset=utf-8"),
        ('{"instances": [["a"], ["b,c"]]}', ""),
        ('{"dataframe_split": {"columns": ["text"], "data": [["a"], ["b,c"]]}}', "application/json"),
        ('{"dataframe_records": [{"text": "a"}, {"text": "b,c"}]}', "application/json"),
        ('{"inputs": {"text": ["a", "b,c"]}}', "application/json"),
        ('{"dataframe_split": {"columns": ["review_id", "text"], "data": [["R1", "a"], ["R2", "b,c"]]}}', ""),
        ('{"dataframe_records": [{"review_id": "R1", "review_body": "a"}, {"review_body": "b,c"}]}', ""),
        ('{"text": "a"}\n{"text": "b,c"}\n', "application/jsonlines"),
        ('a\n"b,c"\n', "text/csv"),
        ('id,text\n1,a\n2,"b,c"\n', "text/csv"),
    ],
)
def test_the_same_two_texts(body: str, kind: str):
    assert texts_of(body.encode(), kind) == ["a", "b,c"]


def test_one_text_is_one_text_however_long():
    assert texts_of(b'{"inputs": "some words"}', "") == ["some words"]
    assert texts_of(b"x" * 200_000, "text/csv") == ["x" * 200_000]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"{", "application/json", "cannot be read"),
        (b"[]", "application/json", "holds no texts"),
        (b"{}", "application/json", "holds no texts"),
        (b'{"inputs": [1]}', "application/json", "holds no texts"),
        (b'{"dataframe_split": {}}', "application/json", "cannot be read"),
        (b'{"dataframe_split": []}', "application/json", "cannot be read"),
        (b'{"dataframe_records": [{"id": "R1", "body": "a"}]}', "application/json", "cannot be read"),
        (b"\xff", "text/plain", "not UTF-8"),
        (b"x", "image/png", "content type"),
        (b"x" * (LONGEST_REQUEST + 1), "text/plain", "too long"),
        (b"x\n" * (MOST_TEXTS + 1), "text/csv", "too many"),
    ],
)
def test_what_is_refused(body: bytes, kind: str, words: str):
    with pytest.raises(UsageError, match=words):
        texts_of(body, kind)


@pytest.mark.parametrize("body", [b"{}", b'{"inputs": []}', b'{"inputs": [{"datatype": "FP32", "data": [1]}]}', b"x"])
def test_tensors_that_are_refused(body: bytes):
    with pytest.raises(UsageError, match="Open Inference"):
        texts_of_tensors(body)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "predictor.py").write_text(PREDICTOR)
    return folder


@pytest.fixture
def server(model: Path, home: Path) -> Iterator[str]:
    pytest.importorskip("fastapi")
    port = free_port()
    process = subprocess.Popen(command("serve", str(model), "--port", str(port)), env={**os.environ})
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/ping", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)


def ask(url: str, body: object, kind: str = "application/json") -> tuple[int, dict[str, object]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_server_answers_all_three_protocols(server: str):
    code, told = ask(f"{server}/invocations", {"inputs": ["bad", "fine!!!!"]})
    assert code == 200
    assert [item["rating"] for item in told["predictions"]] == [1, 5]
    assert told["predictions"][1]["probabilities"]["5"] == 0.6
    tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["bad", "so so!!"]}
    code, told = ask(f"{server}/v2/models/reviews/infer", {"id": "7", "inputs": [tensor]})
    assert (code, told["id"], told["model_name"]) == (200, "7", "reviews")
    assert told["outputs"][0]["data"] == [1, 3]
    assert told["outputs"][1]["shape"] == [2, 5]
    for path in ("/ping", "/v2/health/live", "/v2/health/ready", "/v2/models/reviews", "/v2/models/reviews/ready"):
        assert urllib.request.urlopen(f"{server}{path}", timeout=30).status == 200
    code, told = ask(f"{server}/invocations", b"{", "application/json")
    assert (code, told["error"]["headline"]) == (400, "the request cannot be read")


def test_a_model_that_is_not_there_and_a_port_that_is_taken(model: Path, home: Path):
    pytest.importorskip("fastapi")
    assert intermodal("serve", "/no/such/model").code == 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = intermodal("serve", str(model), "--port", str(taken.getsockname()[1]))
    assert answer.code == 5
    assert "the server did not start" in answer.err
    (model / "predictor.py").write_text("import nothing_of_that_name")
    assert intermodal("serve", str(model)).code == 5
