"""`intermodal verify` finds whatever happened to an artifact, and says so with exit code 5."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from intermodal.core.manifest import Manifest
from intermodal.runtime.artifact_names import find_artifact
from intermodal.runtime.verification import verify
from launching import intermodal

ARTIFACTS = ("read-lines.lines", "measure.lengths", "measure.metrics")


def flip(path: Path, position: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(bytes(content))


def files_of(folder: Path) -> list[Path]:
    return sorted(item for item in folder.rglob("*") if item.is_file())


def test_whole_artifacts_by_every_way_to_ask(ran, cli):
    assert cli("verify", "--run", ran.record.run_id).code == 0
    assert cli("verify", *ARTIFACTS).code == 0
    said = cli("verify", "--all", "--json")
    assert said.code == 0
    assert said.json["whole"] == 3
    assert said.json["damaged"] == 0
    digests = {item["digest"] for task in ran.record.tasks for item in task.artifacts.values()}
    assert {item["digest"] for item in said.json["artifacts"]} == digests


def test_text_names_each_artifact_and_its_size(ran, cli):
    said = cli("verify", "--run", ran.record.run_id)
    assert [line.split()[:2] for line in said.out.splitlines()[:3]] == [["✔", name] for name in ARTIFACTS]
    assert "3 files, 19 B" in said.out
    assert "3 artifacts whole" in said.out


def test_every_byte_of_the_data_is_watched_and_the_manifest_too(ran):
    """Each byte of data, and 40 of each manifest: altered, found and named, put back, whole again.

    `test_manifest_seal.py` flips every bit of a manifest's text.
    """
    chance = random.Random(7)
    for name in ARTIFACTS:
        artifact = find_artifact(name, ran.settings)
        for path in files_of(ran.artifact(name)):
            size = path.stat().st_size
            for position in range(size) if size < 100 else chance.sample(range(size), 40):
                bit = chance.randrange(8)
                flip(path, position, bit)
                (verdict,) = verify([artifact])
                assert any(path.name in line for line in verdict.damage), (path, position, bit)
                flip(path, position, bit)
        (verdict,) = verify([artifact])
        assert verdict.whole


def test_a_flipped_byte_is_exit_code_5_and_named(ran, cli):
    flip(ran.artifact("read-lines.lines") / "part=0" / "2.txt", 1)
    said = cli("verify", *ARTIFACTS)
    assert said.code == 5
    assert "✘ read-lines.lines" in said.out
    assert "part=0/2.txt: sha256" in said.out
    assert "✔ measure.lengths" in said.out
    assert "1 artifact damaged" in said.err


def test_a_missing_an_extra_and_a_truncated_file(ran, cli):
    folder = ran.artifact("read-lines.lines")
    (folder / "part=0" / "0.txt").unlink()
    (folder / "part=1" / ".hidden").write_text("x")
    (folder / "part=1" / "1.txt").write_text("two")
    said = cli("verify", "read-lines.lines", "--json")
    assert said.code == 5
    assert said.json["artifacts"][0]["damage"] == [
        "part=0/0.txt: missing",
        "part=1/1.txt: 3 bytes, expected 10",
        "part=1/.hidden: not in the manifest",
    ]
    assert said.json["error"]["kind"] == "ArtifactCorrupt"


def test_a_directory_in_place_of_a_file(ran, cli):
    path = ran.artifact("measure.lengths") / "lengths"
    path.unlink()
    path.mkdir()
    said = cli("verify", "measure.lengths")
    assert said.code == 5
    assert "lengths: missing" in said.out


@pytest.mark.parametrize("how", ["manifest", "everything"])
def test_what_is_gone_is_found_by_run_and_in_the_whole_store(ran, cli, how):
    folder = ran.artifact("measure.lengths")
    (folder / "manifest.json").unlink()
    if how == "everything":
        shutil.rmtree(folder)
    for words in (("--run", ran.record.run_id), ("--all",), ("measure.lengths",)):
        said = cli("verify", *words)
        assert said.code == 5, words
        assert "manifest.json: missing" in said.out


def test_a_sound_artifact_in_the_place_of_another_is_found(ran, cli):
    """Content and manifest agree with one another, but this is not what the run made."""
    folder = ran.artifact("measure.lengths")
    shutil.copyfile(ran.artifact("measure.metrics") / "metrics", folder / "lengths")
    text = (ran.artifact("measure.metrics") / "manifest.json").read_text()
    other = Manifest.from_json(text, "there")
    moved = [type(item)("lengths", item.size, item.sha256) for item in other.files]
    (folder / "manifest.json").write_text(type(other)(other.type, "file", tuple(moved), other.origin).to_json())
    assert cli("verify", str(folder)).code == 0
    said = cli("verify", "--all")
    assert said.code == 5
    assert "was recorded" in said.out


def test_an_artifact_is_named_in_many_ways(ran, cli):
    item = ran.record.task("read-lines").artifacts["lines"]
    inner = ran.artifact("read-lines.lines") / "part=0" / "0.txt"
    relative = os.path.relpath(inner)
    names = ["read-lines.lines", "read_lines.lines", "read-lines", item["uri"], "file://" + item["uri"], str(inner)]
    names += [relative, f"{ran.record.run_id}:read-lines.lines", item["digest"][:8], item["digest"]]
    said = cli("verify", "--json", *names)
    assert said.code == 0, said.err
    assert {found["digest"] for found in said.json["artifacts"]} == {item["digest"]}


def test_a_foreign_manifest_above_is_not_taken_for_ours(ran, cli):
    (ran.settings.home / "manifest.json").write_text('{"files": [{"path": "index.html"}]}')
    folder = ran.artifact("read-lines.lines")
    (folder / "manifest.json").unlink()
    for path in (folder, folder / "part=0", folder / "part=0" / "0.txt"):
        said = cli("verify", "--json", str(path))
        assert said.code == 5
        assert said.json["artifacts"][0]["damage"] == ["manifest.json: missing"]


def test_the_manifest_itself_names_its_artifact(ran, cli):
    assert cli("verify", str(ran.artifact("read-lines.lines") / "manifest.json")).code == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("measure.length", "measure.lengths"),
        ("measure", "measure.metrics, measure.lengths"),
        ("nothing.at.all", "read-lines.lines"),
        ("other-run:measure.lengths", "short-"),
        ("/no/such/place", "TASK.OUTPUT"),
        ("0123456789ab", "digest"),
    ],
)
def test_an_unknown_name_is_exit_code_2_with_the_nearest(ran, cli, name, told):
    said = cli("verify", name)
    assert said.code == 2
    assert told in said.err


def test_an_artifact_of_an_older_run_is_pointed_to(ran, run_short, cli):
    older = ran.record.run_id
    newer = ran.settings.runs / "zz-newer"
    shutil.copytree(ran.settings.runs / older, newer)
    text = (newer / "run.json").read_text().replace(older, "zz-newer").replace('"2', '"3')
    (newer / "run.json").write_text(text.replace('"name": "measure"', '"name": "renamed"'))
    said = cli("verify", "measure.lengths")
    assert said.code == 2
    assert f"name it {older}:measure.lengths" in said.err


def test_without_a_run_and_without_words(home, cli):
    assert cli("verify", "make.data").code == 2
    assert cli("verify").code == 2
    assert cli("verify", "--all", "x").code == 2
    said = cli("verify", "--all")
    assert said.code == 0
    assert "0 artifacts whole" in said.out


class TestOnS3:
    """The same over a real S3 server; files are fetched one at a time and nothing is left behind."""

    @pytest.fixture
    def on_s3(self, s3, monkeypatch, tmp_path, run_short):
        monkeypatch.setenv("INTERMODAL_STORE", f"{s3.uri}/store")
        ran = run_short()
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        yield ran
        assert list(scratch.iterdir()) == []

    def key(self, ran, name: str) -> str:
        task, _, output = name.partition(".")
        uri = ran.record.task(task).artifacts[output]["uri"]
        return uri.removeprefix("s3://").partition("/")[2]

    def test_whole(self, on_s3, cli):
        assert cli("verify", "--all").code == 0
        said = cli("verify", "--json", "read-lines.lines", on_s3.record.task("measure").artifacts["lengths"]["uri"])
        assert said.code == 0, said.err
        assert [item["files"] for item in said.json["artifacts"]] == [3, 1]

    def test_flipped_missing_and_extra(self, on_s3, s3, cli):
        client, prefix = s3.server.client(), self.key(on_s3, "read-lines.lines")
        s3.put(f"{prefix}/part=0/0.txt", b"0ne\n")
        client.delete_object(Bucket=s3.name, Key=f"{prefix}/part=1/1.txt")
        s3.put(f"{prefix}/more", b"x")
        said = cli("verify", "--run", on_s3.record.run_id, "--json")
        assert said.code == 5
        damage = said.json["artifacts"][0]["damage"]
        assert [line.split(":")[0] for line in damage] == ["part=1/1.txt", "part=0/0.txt", "more"]

    def test_an_altered_and_a_missing_manifest(self, on_s3, s3, cli):
        client = s3.server.client()
        lengths = self.key(on_s3, "measure.lengths").rpartition("/")[0] + "/manifest.json"
        content = client.get_object(Bucket=s3.name, Key=lengths)["Body"].read()
        s3.put(lengths, content.replace(b'"task": "measure"', b'"task": "measurf"'))
        lines = self.key(on_s3, "read-lines.lines") + "/manifest.json"
        client.delete_object(Bucket=s3.name, Key=lines)
        said = cli("verify", "--all")
        assert said.code == 5
        assert "was altered" in said.out
        assert "manifest.json: missing" in said.out

    def test_an_upload_that_was_cut_off_is_no_damage(self, on_s3, s3, cli):
        s3.put("store/artifacts/read_lines/0000000000000000-1-abc/lines/part=0/0.txt", b"one\n")
        said = cli("verify", "--all")
        assert said.code == 0
        assert "never finished" in said.out

    def test_a_server_that_is_away_is_exit_code_5(self, on_s3):
        said = intermodal("verify", "--all", AWS_ENDPOINT_URL="http://127.0.0.1:9")
        assert said.code == 5
        assert "AWS_ENDPOINT_URL" in said.err

    def test_lineage_reads_the_bucket(self, on_s3, cli):
        said = cli("lineage", "measure.lengths", "--json")
        assert said.code == 0, said.err
        assert said.json["made_by"]["inputs"]["again"][0]["made_by"]["step"] == "read_lines"
