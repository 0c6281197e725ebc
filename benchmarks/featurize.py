"""Featurization against one tokenizer call and one TFRecord example a row: CPU seconds and peak memory, ids compared.

    python benchmarks/featurize.py [--source FILE] [--rows 0] [--rounds 1] [--max-seq-length 64]

Reads the real reviews beside the checkout (or `--source`, any file that `ingest` reads; synthetic ones if there are
neither) and gives the same readable texts to four candidates, each in a process of its own, in turn:

- workshop: `tokenizer(text, padding="max_length", truncation=True, max_length=…)` a row with the pure-Python BERT
  tokenizer that `BertTokenizer.encode_plus` meant when that recipe was written (transformers still has it, as
  `BertTokenizerLegacy`), then one `tf.train.Example` a row;
- transformers: the same loop with today's `BertTokenizer`, which is Rust inside;
- intermodal: batches, into Parquet, as the step `featurize` writes them;
- intermodal-tfrecord: batches, into the very TFRecord records that the loops write.

CPU seconds are those of the work, without imports and loading the tokenizer, which would flatter us. All ids are read
back from the files written, and every review on which one differs from the workshop's is counted. Prints one JSON
object on standard output and a table on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from measure import Measurement, alternate, measure, summary, table

ROOT = Path(__file__).resolve().parents[1]
REAL = "data/amazon_reviews_us_Digital_Software_v1_00.tsv.gz"
QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
SETTINGS = QUIET | {"OMP_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}
TARGETS = {"workshop": 30.0}  # smallest ratio of their CPU seconds to ours
SYNTHETIC_ROWS = 100_000
GROUP_ROWS = 8192  # as the step writes


def prepare(source: str, into: str, rows: int) -> int:
    """Write the readable texts and labels that all candidates read; gives how many there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from intermodal.reviews.generate import generate_reviews
    from intermodal.reviews.ingest import Limits, ingest_reviews
    from intermodal.reviews.sources import find_files
    from intermodal.text.normalise import readable
    from intermodal.text.review_files import find_reviews

    if not source:
        source = f"{into}/raw"
        generate_reviews(source, rows or SYNTHETIC_ROWS, 7, {"html_entities": 0.05}, ["Books", "Toys"])
    ingest_reviews(find_files(source), f"{into}/reviews", f"{into}/quarantine", Limits())
    batches = find_reviews(f"{into}/reviews").batches(("star_rating", "review_body"))
    found = pa.Table.from_batches(batches).slice(0, rows or None)
    texts = pa.array([readable(body) for body in found["review_body"].to_pylist()], pa.string())
    labels = pa.array(found["star_rating"].to_numpy() - 1)
    pq.write_table(pa.table({"text": texts, "label_ids": labels}), f"{into}/texts.parquet", row_group_size=65536)
    return len(texts)


def with_loop(texts: str, into: str, length: int, legacy: bool) -> float:
    """One tokenizer call and one tf.train.Example a row, the workshop's way; gives the work's CPU seconds."""
    import pyarrow.parquet as pq
    from google_crc32c import value
    from transformers import BertTokenizer, BertTokenizerLegacy

    from intermodal.text.checkpoint import resolve_checkpoint
    from tfrecord_reader import example_class

    tokenizer = (BertTokenizerLegacy if legacy else BertTokenizer).from_pretrained(str(resolve_checkpoint()))
    example_of = example_class()
    started = time.process_time()
    rows = pq.read_table(texts)
    with open(f"{into}/part.tfrecord", "wb") as file:
        for text, label in zip(rows["text"].to_pylist(), rows["label_ids"].to_pylist(), strict=True):
            encoded = tokenizer(text, padding="max_length", truncation=True, max_length=length)
            example = example_of()
            features = example.features.feature
            features["input_ids"].int64_list.value.extend(encoded["input_ids"])
            features["input_mask"].int64_list.value.extend(encoded["attention_mask"])
            features["segment_ids"].int64_list.value.extend([0] * length)
            features["label_ids"].int64_list.value.append(label)
            data = example.SerializeToString()
            header = struct.pack("<Q", len(data))
            file.write(header + masked(value(header)) + data + masked(value(data)))
    return time.process_time() - started


def masked(crc: int) -> bytes:
    """A checksum as TensorFlow's record writer stores it."""
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def with_intermodal(texts: str, into: str, length: int, tfrecord: bool) -> float:
    """Batches through the encoder into Parquet or TFRecord; gives the work's CPU seconds."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from intermodal.text.arrow import lists, to_numpy
    from intermodal.text.checkpoint import load_tokenizer, resolve_checkpoint
    from intermodal.text.review_files import BATCH_ROWS
    from intermodal.text.tfrecord import ExampleWriter
    from intermodal.text.tokens import TextEncoder

    encoder = TextEncoder(load_tokenizer(resolve_checkpoint()))
    kinds = {"input_ids": pa.int32(), "input_mask": pa.int8(), "segment_ids": pa.int8()}
    schema = pa.schema([*((name, pa.list_(kind)) for name, kind in kinds.items()), ("label_ids", pa.int32())])
    started = time.process_time()
    examples = ExampleWriter(Path(into, "part.tfrecord"), length, 0) if tfrecord else None
    target = pq.ParquetWriter(f"{into}/part.parquet", schema, compression="zstd") if not tfrecord else None
    waiting: list[Any] = []
    for batch in pq.ParquetFile(texts).iter_batches(BATCH_ROWS, use_threads=False):
        ids = encoder.encode(batch.column("text"), length).ids
        if examples:
            examples.write(ids, to_numpy(batch.column("label_ids")))
        if target:
            values = ids.values, np.ones(len(ids.values), np.int8), np.zeros(len(ids.values), np.int8)
            columns = [lists(column, ids.offsets) for column in values]
            waiting.append(pa.record_batch([*columns, batch.column("label_ids")], schema=schema))
        if target and len(waiting) * BATCH_ROWS >= GROUP_ROWS:
            target.write_table(pa.Table.from_batches(waiting, schema))
            waiting.clear()
    if target:
        target.write_table(pa.Table.from_batches(waiting, schema))
    for writer in (examples, target):
        if writer:
            writer.close()
    return time.process_time() - started


def read_ids(folder: str, length: int) -> Any:
    """The padded ids in a candidate's file: int32, shape (rows, length)."""
    import numpy as np
    import pyarrow.parquet as pq

    from tfrecord_reader import example_class

    path = Path(folder, "part.tfrecord")
    if path.exists():
        data, at, rows, example_of = path.read_bytes(), 0, [], example_class()
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            example = example_of.FromString(data[at + 12 : at + 12 + size])
            rows.append(np.array(example.features.feature["input_ids"].int64_list.value, np.int32))
            at += size + 16
        return np.stack(rows)
    rows = pq.read_table(Path(folder, "part.parquet"), columns=["input_ids"])["input_ids"].to_pylist()
    return np.array([row + [0] * (length - len(row)) for row in rows], np.int32)


def compare_ids(folder: str, names: list[str], length: int) -> dict[str, int]:
    """Reviews on which each candidate's ids differ from the first one's; -1 when the number of reviews does."""
    first = read_ids(f"{folder}/{names[0]}", length)
    found = {}
    for name in names[1:]:
        other = read_ids(f"{folder}/{name}", length)
        found[name] = int((first != other).any(axis=1).sum()) if first.shape == other.shape else -1
    return found


def run_once(folder: Path, name: str, length: int) -> Measurement:
    """Measure one candidate; its last output stays in a folder of its name."""
    into = folder / name
    into.mkdir(exist_ok=True)
    function = with_intermodal if name.startswith("intermodal") else with_loop
    variant = name in ("workshop", "intermodal-tfrecord")
    return measure(function, str(folder / "texts.parquet"), str(into), length, variant, env=SETTINGS, timeout=3600)


def report(found: dict[str, list[Measurement]], rows: int, different: dict[str, int]) -> dict[str, Any]:
    """Costs, how many times our CPU seconds each loop takes, and whether the targets are met."""
    ours, costs = found["intermodal"], {}
    for name, runs in found.items():
        work = statistics.median(run.result for run in runs)
        ratio = statistics.median(run.result / mine.result for run, mine in zip(runs, ours, strict=True))
        own = {"work_cpu_seconds": round(work, 3), "microseconds_a_row": round(work / rows * 1e6, 2)}
        costs[name] = own | {"times_intermodal": round(ratio, 2)} | summary(runs)
    met = {name: costs[name]["times_intermodal"] >= least for name, least in TARGETS.items()}
    return {
        "rows": rows,
        "costs": costs,
        "reviews_with_other_ids_than_workshop": different,
        "targets": TARGETS,
        "met": met | {"ids": not any(different.values())},
    }


def main() -> None:
    """Measure, and print one JSON object and a table."""
    shared = Path(os.environ.get("INTERMODAL_SHARED", ROOT.parent / "shared"), REAL)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default=str(shared) if shared.exists() else "")
    parser.add_argument("--rows", type=int, default=0, help="0 for all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--max-seq-length", type=int, default=64)
    options = parser.parse_args()
    names = ["workshop", "transformers", "intermodal", "intermodal-tfrecord"]
    with tempfile.TemporaryDirectory() as folder:
        made = measure(prepare, options.source, folder, options.rows, env=SETTINGS)
        if made.exit_code:
            raise SystemExit(f"the texts could not be prepared: {made.output}")
        work = {name: partial(run_once, Path(folder), name, options.max_seq_length) for name in names}
        found = alternate(work, options.rounds, warmup=False)
        compared = measure(compare_ids, folder, names, options.max_seq_length, env=SETTINGS)
        if compared.exit_code:
            raise SystemExit(f"the ids could not be compared: {compared.output}")
    result = report(found, made.result, compared.result)
    print(json.dumps(result, indent=1))
    lines = [
        {
            "candidate": name,
            "work cpu s": cost["work_cpu_seconds"],
            "us/row": cost["microseconds_a_row"],
            "times ours": cost["times_intermodal"],
            "target": f">= {TARGETS[name]}" if name in TARGETS else "",
            "peak MB": cost["peak_rss_mb"],
            "other ids": result["reviews_with_other_ids_than_workshop"].get(name, ""),
        }
        for name, cost in result["costs"].items()
    ]
    print(table(lines), file=sys.stderr)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    main()
