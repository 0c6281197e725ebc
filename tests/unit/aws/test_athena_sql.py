"""SQL for Athena and Redshift: names and values of any text are nothing but names and values; golden statements."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.aws.athena import (
    create_table_as,
    database_definition,
    drop_definition,
    insert_into,
    partition_definition,
    repair_definition,
    table_definition,
)
from intermodal.aws.glue import PARQUET, RAW_TSV, Column, Partition, Table, table_request
from intermodal.aws.redshift import copy_parquet, external_schema, unload_parquet
from intermodal.aws.sql import glue_name, hive_name, hive_text, redshift_text, trino_name, trino_text
from intermodal.errors import UsageError
from intermodal.report.profile_sql import questions
from intermodal.reviews.athena_sql import good_rows, parquet_table, refused_rows, survey, tsv_table
from intermodal.reviews.schema import COLUMNS

GOLDEN = Path(__file__).parents[2] / "golden" / "athena.sql"
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
nasty = st.one_of(
    texts, st.sampled_from(["'", '"', "`", "\\", "\\'", "'; DROP TABLE x; --", "é書\U0001f600", "\n\t", "a''b"])
)
HEADER = [*COLUMNS[:3], "More", *COLUMNS[3:]]


@settings(max_examples=150, deadline=None)
@given(nasty, nasty)
def test_a_query_holds_any_text_as_that_text_and_any_name_as_that_name(value: str, name: str) -> None:
    sql = f"SELECT {trino_text(value)} AS {trino_name(name)}"
    found = duckdb.sql(sql)
    assert found.fetchall() == [(value,)]
    assert found.columns == [name]
    tree = sqlglot.parse_one(sql, read="athena")
    assert [item.this.this for item in tree.selects] == [value]


@settings(max_examples=150, deadline=None)
@given(nasty, nasty)
def test_a_definition_holds_any_text_and_any_name(value: str, name: str) -> None:
    table = Table("db", "t", "s3://b/p", (Column(name),), RAW_TSV, (Column("p"),), {"said": value})
    (tree,) = sqlglot.parse(table_definition(table), read="athena")
    assert tree is not None
    assert [item.name for item in tree.this.expressions] == [name]
    properties = {
        item.name: item.args["value"].name for item in tree.find_all(sqlglot.exp.Property) if item.args.get("value")
    }
    assert properties["said"] == value
    words = [
        token.text
        for token in sqlglot.tokenize(partition_definition(table, [Partition((value,), "s3://b/p/1")]), read="hive")
    ]
    assert value in words


@settings(max_examples=100, deadline=None)
@given(nasty)
def test_redshift_holds_any_text_in_the_places_that_take_no_parameter(value: str) -> None:
    (token,) = sqlglot.tokenize(redshift_text(value), read="redshift")
    assert token.text.replace("\\\\", "\\") == value or token.text == value
    inside = unload_parquet(f"SELECT {redshift_text(value)}", "s3://b/p/")
    assert inside.count("'") % 2 == 0
    assert inside.startswith("UNLOAD ('SELECT ")


def test_what_cannot_be_written_in_sql_is_refused() -> None:
    for quote in (trino_name, hive_name, trino_text, hive_text, redshift_text):
        with pytest.raises(UsageError, match="cannot be written"):
            quote("a\0b")
    for name in ("", "Reviews", "a-b", "a b", "é", "x" * 256):
        with pytest.raises(UsageError, match="no name for a table"):
            glue_name(name, "table")
    assert glue_name("reviews_2015", "table") == "reviews_2015"


def test_the_definition_and_glues_request_say_the_same() -> None:
    table = tsv_table("reviews", "raw", "s3://bucket/raw", HEADER)
    (tree,) = sqlglot.parse(table_definition(table), read="athena")
    assert tree is not None
    asked = table_request(table).parameters["TableInput"]
    columns = asked["StorageDescriptor"]["Columns"]
    assert [item.name for item in tree.this.expressions] == [item["Name"] for item in columns]
    assert tree.find(sqlglot.exp.LocationProperty).this.name == asked["StorageDescriptor"]["Location"]
    serde = tree.find(sqlglot.exp.SerdeProperties)
    said = {item.name: item.args["value"].name for item in serde.expressions}
    assert said == asked["StorageDescriptor"]["SerdeInfo"]["Parameters"]
    assert said["field.delim"] == "\t"


def test_columns_that_are_none_of_ours_keep_their_place_and_a_surplus_is_seen() -> None:
    names = [column.name for column in tsv_table("reviews", "raw", "s3://bucket/raw", HEADER).columns]
    assert names == [*COLUMNS[:3], "intermodal_extra_3", *COLUMNS[3:], "intermodal_surplus"]


def statements() -> str:
    """Every statement that is sent, as people may read it."""
    raw = tsv_table("reviews", "raw", "s3://bucket/raw/", COLUMNS)
    made = parquet_table("reviews", "typed")
    parts = [Partition((name,), f"s3://bucket/typed/{index}/") for index, name in enumerate(['it\'s; "x"', "Bücher"])]
    kinds = {**dict.fromkeys(COLUMNS, "string"), "star_rating": "int", "review_date": "date"}
    found = [
        database_definition("reviews"),
        table_definition(raw),
        partition_definition(made, parts),
        repair_definition(made),
        drop_definition(made),
        survey(raw),
        create_table_as(made, good_rows(raw, ['it\'s; "x"', None])),
        create_table_as(Table("reviews", "refused", "s3://bucket/refused", (), PARQUET), refused_rows(raw)),
        insert_into(made, good_rows(raw)),
        *questions(trino_name("reviews", "typed"), kinds, 10).values(),
        copy_parquet(("public", "reviews"), "s3://bucket/it's/", "arn:aws:iam::123456789012:role/reader"),
        unload_parquet("SELECT 'it''s' AS a", "s3://bucket/out/", partitioned_by=("a",)),
        external_schema("spectrum", "reviews"),
    ]
    return ";\n\n".join(found) + ";\n"


def test_statements_are_the_golden_ones() -> None:
    assert statements().encode() == GOLDEN.read_bytes()
