"""Partitions: registered by ALTER TABLE ADD PARTITION, or found by MSCK REPAIR TABLE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from intermodal.runtime.sagemaker_local.athena_outcome import Answer, QueryFailed
from intermodal.runtime.sagemaker_local.athena_tables import NULL_PARTITION
from intermodal.runtime.sagemaker_local.transfer import list_keys, split_uri

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.athena_statements import Statement

_UNESCAPED = " !$&()+,-.;<>@_`|~"  # as Hive: what a path can hold stays as it is


def partition_path(key: str, value: str | None) -> str:
    """The folder of a partition, as Hive escapes it."""
    if value is None:
        return f"{key}={NULL_PARTITION}"
    return f"{key}=" + "".join(letter if ord(letter) > 127 else quote(letter, safe=_UNESCAPED) for letter in value)


def add_partitions(statement: Statement, sql: str) -> Answer:
    """ALTER TABLE name ADD [IF NOT EXISTS] PARTITION (key = 'value', …) [LOCATION '…'] ….

    Raises:
        QueryFailed: It is another ALTER TABLE, or a partition is there already.
    """
    words = _Words(sql)
    words.expect("ALTER", "TABLE")
    database, name = words.table(statement.setting.database)
    words.expect("ADD")
    passing = words.take("IF")
    if passing:
        words.expect("NOT", "EXISTS")
    table = statement.reader.find(database, name)
    keys = [item["Name"] for item in table.get("PartitionKeys", [])]
    while words.take("PARTITION"):
        values = words.pairs()
        if sorted(values) != sorted(keys):
            raise QueryFailed(f"FAILED: the table is partitioned by {', '.join(keys)}, not by {', '.join(values)}")
        path = "".join(f"{partition_path(key, values[key])}/" for key in keys)
        location = words.next() if words.take("LOCATION") else f"{table['StorageDescriptor']['Location']}{path}"
        _create(statement, table, [values[key] for key in keys], location, passing)
    words.expect_end()
    return _done()


def repair(statement: Statement, sql: str) -> Answer:
    """MSCK REPAIR TABLE name: register every partition whose path is Hive's.

    Raises:
        QueryFailed: There is no such table.
    """
    words = _Words(re.split(r"\bTABLE\b", sql, maxsplit=1, flags=re.IGNORECASE)[1])  # one word for sqlglot before
    table = statement.reader.find(*words.table(statement.setting.database))
    words.expect_end()
    keys = [item["Name"] for item in table.get("PartitionKeys", [])]
    location = table["StorageDescriptor"]["Location"].rstrip("/") + "/"
    bucket, prefix = split_uri(location)
    found: dict[str, list[str]] = {}
    for key in list_keys(statement.service.client("s3"), bucket, prefix):
        pieces = [piece.partition("=") for piece in key.removeprefix(prefix).split("/")[:-1]]
        if keys and [piece[0].lower() for piece in pieces] == keys:
            path = "".join(f"{name}={value}/" for name, _, value in pieces)
            found[path] = [unquote(value) for _, _, value in pieces]
    for path, values in found.items():
        _create(statement, table, values, f"{location}{path}", True)
    return _done()


def _create(statement: Statement, table: dict[str, Any], values: list[str], location: str, passing: bool) -> None:
    from botocore.exceptions import ClientError

    storage = {**table["StorageDescriptor"], "Location": location.rstrip("/") + "/"}
    try:
        statement.service.client("glue").create_partition(
            DatabaseName=table["DatabaseName"],
            TableName=table["Name"],
            PartitionInput={"Values": values, "StorageDescriptor": storage},
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not (passing and code == "AlreadyExistsException"):
            raise QueryFailed(f"FAILED: {code}: {error.response['Error']['Message']}") from error


class _Words:
    """A statement of Hive's dialect, word by word."""

    def __init__(self, sql: str) -> None:
        import sqlglot

        self._left = [str(token.text) for token in sqlglot.tokenize(sql, read="hive")]

    def take(self, word: str) -> bool:
        """Take a word when it comes next."""
        if self._left and self._left[0].upper() == word:
            self._left.pop(0)
            return True
        return False

    def next(self) -> str:
        """The next word, whatever it is, without its quotes."""
        if not self._left:
            raise QueryFailed("FAILED: ParseException: the statement ends too early")
        return self._left.pop(0)

    def expect(self, *words: str) -> None:
        """Take these words, or say which one is missing."""
        for word in words:
            if not self.take(word):
                seen = self._left[0] if self._left else "the end"
                raise QueryFailed(f"FAILED: ParseException: {word} expected, found {seen}")

    def expect_end(self) -> None:
        """Nothing follows but a semicolon."""
        self.take(";")
        if self._left:
            raise QueryFailed(f"FAILED: ParseException: unexpected {self._left[0]}")

    def table(self, database: str) -> tuple[str, str]:
        """Database and table."""
        first = self.next().lower()
        return (first, self.next().lower()) if self.take(".") else (database, first)

    def pairs(self) -> dict[str, str]:
        """(key = 'value', …)."""
        found = {}
        self.expect("(")
        while not self.take(")"):
            key = self.next().lower()
            self.expect("=")
            found[key] = self.next()
            self.take(",")
        return found


def _done() -> Answer:
    return Answer("DDL")
