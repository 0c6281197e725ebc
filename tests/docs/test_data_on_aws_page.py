"""The page on data on AWS, followed word by word on a local service."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from pathlib import Path

from documents import Reader, read_document
from intermodal.aws.data_settings import EmrSettings, RedshiftSettings
from local_sagemaker import BUCKET, client

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-on-aws.md"


def test_the_page_does_what_it_says(tmp_path: Path, open_sagemaker) -> None:
    open_sagemaker()
    folder = tmp_path / "work"
    folder.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    reader = Reader(folder, {**os.environ, "PATH": path, "INTERMODAL_STORE": f"s3://{BUCKET}/page"})
    for part in read_document(PAGE):
        reader.follow(part)
    table = client("glue").get_table(DatabaseName="reviews", Name="clean_reviews")["Table"]
    assert table["StorageDescriptor"]["Location"].startswith(f"s3://{BUCKET}/page/")
    made = client("glue").get_partitions(DatabaseName="reviews", TableName="clean_reviews")["Partitions"]
    assert sorted(item["Values"] for item in made) == [["Books"], ["Toys"]]


def test_the_page_names_every_setting_that_a_place_needs() -> None:
    text = PAGE.read_text()
    optional = {"role", "max_seconds"}
    names = {item.name for kind in (RedshiftSettings, EmrSettings) for item in fields(kind)} - optional
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
