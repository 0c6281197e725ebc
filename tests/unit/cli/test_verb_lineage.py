"""`intermodal lineage` tells what an artifact was made from, down to the data from outside."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from intermodal.core.manifest import Origin
from intermodal.runtime.lineage import ALTERED, MISSING, OUTSIDE, REPEATED, trace
from intermodal.store.locate import open_store
from intermodal.store.publish import MadeOutput, publish_output


def test_the_nested_object(ran, cli):
    said = cli("lineage", "measure.lengths", "--json")
    assert said.code == 0, said.err
    told = said.json
    recorded = ran.record.task("measure").artifacts["lengths"]
    assert (told["uri"], told["digest"]) == (recorded["uri"], recorded["digest"])
    made_by = told["made_by"]
    assert (made_by["step"], made_by["task"], made_by["run_id"]) == ("measure", "measure", ran.record.run_id)
    assert len(made_by["source_digest"]) == 64
    (lines,) = made_by["inputs"]["again"]  # the first of the two, in the order of the names
    assert lines["rows"] == 3
    assert lines["made_by"]["parameters"]["source"] == str(ran.source)
    found = lines["made_by"]["sources"]["source"]
    content = hashlib.sha256(ran.source.read_bytes()).hexdigest()
    assert found["files"] == 1
    assert found["digest"] == hashlib.sha256(f"{ran.source.name} {content}".encode()).hexdigest()


def test_what_is_used_twice_is_told_once(ran, cli):
    made_by = cli("lineage", "measure.lengths", "--json").json["made_by"]
    notes = sorted(item["note"] for name in ("again", "lines") for item in made_by["inputs"][name])
    assert notes == ["", REPEATED]


def test_the_tree(ran, cli):
    said = cli("lineage", "measure.lengths")
    assert said.code == 0
    lines = said.out.splitlines()
    digest = ran.record.task("measure").artifacts["lengths"]["digest"]
    assert lines[0] == f"measure.lengths  {digest[:12]}  (Dataset, 14 B)"
    assert lines[2].startswith(f"└─ made by measure in run {ran.record.run_id}, ")
    assert "   ├─ input again  " in said.out
    assert "   │  └─ made by read_lines (task read-lines) in run" in said.out
    assert "least = 0" in said.out
    assert f'└─ from outside, source = "{ran.source}"' in said.out
    assert lines[-1].startswith("   └─ input lines  ")
    assert lines[-1].endswith(REPEATED)


def test_the_run_that_made_it_is_told_after_a_cache_hit(ran, run_short, cli):
    again = run_short()
    assert again.record.run_id != ran.record.run_id
    assert all(task.cached for task in again.record.tasks)
    made_by = cli("lineage", f"{again.record.run_id}:measure.lengths", "--json").json["made_by"]
    assert made_by["run_id"] == ran.record.run_id


def test_an_artifact_without_manifest_is_exit_code_5(ran, cli):
    (ran.artifact("measure.lengths") / "manifest.json").unlink()
    said = cli("lineage", "measure.lengths")
    assert said.code == 5
    assert "manifest.json is missing" in said.err


def test_an_altered_manifest_is_exit_code_5(ran, cli):
    manifest = ran.artifact("measure.lengths") / "manifest.json"
    manifest.write_text(manifest.read_text().replace(ran.record.run_id, "another-run"))
    assert cli("lineage", "measure.lengths").code == 5


@pytest.mark.parametrize(
    ("harm", "note"), [("remove", MISSING), ("alter", ALTERED), ("replace", ALTERED), ("unmanifest", MISSING)]
)
def test_an_input_that_is_no_longer_what_it_was(ran, run_short, cli, harm, note):
    folder = ran.artifact("read-lines.lines")
    manifest = folder / "manifest.json"
    if harm == "remove":
        shutil.rmtree(folder)
    elif harm == "alter":
        manifest.write_text(manifest.read_text().replace('"least": 0', '"least": 1'))
    elif harm == "unmanifest":
        manifest.unlink()
    else:  # by the sound result of other parameters
        shutil.copyfile(run_short("-p", "least=4").artifact("read-lines.lines") / "manifest.json", manifest)
    told = cli("lineage", f"{ran.record.run_id}:measure.lengths", "--json").json
    assert [item["note"] for items in told["made_by"]["inputs"].values() for item in items] == [note, note]


def test_data_that_no_step_made(tmp_path):
    foreign = tmp_path / "reviews.tsv"
    foreign.write_text("a\tb\n")
    inputs = {"data": [{"uri": str(foreign), "digest": "f" * 64}]}
    (tmp_path / "out").write_text("x")
    made = MadeOutput("out", "system.Dataset", tmp_path / "out", {})
    store = open_store(str(tmp_path / "store"))
    published = publish_output(store, made, tmp_path / "staging", "a/b", Origin("clean", inputs=inputs))
    (item,) = trace(published.uri).inputs["data"]
    assert (item.note, item.digest) == (OUTSIDE, "f" * 64)
    foreign.unlink()
    (item,) = trace(published.uri).inputs["data"]
    assert item.note == MISSING


def test_an_unknown_name_is_exit_code_2(ran, cli):
    said = cli("lineage", "measure.lenghts")
    assert said.code == 2
    assert "measure.lengths" in said.err
