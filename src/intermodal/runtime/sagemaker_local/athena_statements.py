"""Statements of Athena, executed: queries by DuckDB over the tables they name, definitions against Glue."""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any

from intermodal.runtime.sagemaker_local.athena_outcome import Answer, QueryFailed, Setting
from intermodal.runtime.sagemaker_local.athena_rows import column_info, plain_integers, text_rows
from intermodal.runtime.sagemaker_local.athena_tables import PATH_COLUMN, TableReader

if TYPE_CHECKING:
    import pyarrow as pa

    from intermodal.runtime.sagemaker_local.service import Service


class Statement:
    """One statement, that can be interrupted from another thread.

    Args:
        service: The service, whose Glue and S3 are used.
        setting: Where it runs.
    """

    def __init__(self, service: Service, setting: Setting) -> None:
        import duckdb

        self.service, self.setting = service, setting
        self.reader = TableReader(service, setting.cutoff)
        self.stopped = threading.Event()
        # what a query can reach is what it was given: no file of this machine
        self._engine = duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})

    def run(self, sql: str) -> Answer:
        """Execute it.

        Raises:
            QueryFailed: It cannot be read, or failed.
        """
        import duckdb
        from sqlglot import exp

        from intermodal.runtime.sagemaker_local import athena_definitions as definitions

        tree = parsed(sql)
        try:
            if isinstance(tree, exp.Query):
                rows = self.rows(tree)
                return Answer("DML", column_info(rows.schema), text_rows(rows), header=True)
            return definitions.execute(self, tree, sql)
        except duckdb.Error as error:
            raise QueryFailed(_in_athenas_words(error)) from error
        finally:
            self._engine.close()

    def interrupt(self) -> None:
        """Stop it."""
        import duckdb

        self.stopped.set()
        with contextlib.suppress(duckdb.ConnectionException):  # it has just ended
            self._engine.interrupt()

    def rows(self, query: Any) -> pa.Table:
        """The rows of a query.

        Args:
            query: sqlglot's tree.

        Raises:
            QueryFailed: A table is not there, cannot be read, or holds too much.
        """
        names = _result_names(query)
        self._give_tables(query)
        if self.stopped.is_set():
            raise QueryFailed("Query cancelled by user", cancelled=True)
        rows = plain_integers(self._asked(query.sql(dialect="duckdb")))
        return rows.rename_columns(names) if names else rows

    def _asked(self, sql: str) -> pa.Table:
        """What DuckDB answers; by `execute`, since `sql` cannot be interrupted, and says so with a warning."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return self._engine.execute(sql).to_arrow_reader().read_all()

    def _give_tables(self, query: Any) -> None:
        """Read the tables that a query names, and let it name ours instead."""
        from sqlglot import exp

        own = {item.alias_or_name.lower() for item in query.find_all(exp.CTE)}
        columns = {item.name.lower() for item in query.find_all(exp.Column)}
        every = any(not isinstance(item.parent, exp.Count) for item in query.find_all(exp.Star))
        for index, table in enumerate(list(query.find_all(exp.Table))):
            if not isinstance(table.this, exp.Identifier) or (not table.db and table.name.lower() in own):
                continue  # a function, which DuckDB knows or refuses, or a name of the query's own
            database = (table.db or self.setting.database).lower()
            found = self.reader.find(database, table.name.lower())
            rows = self.reader.read(found, None if every else columns, PATH_COLUMN in columns)
            self._engine.register(f"table_{index}", rows)
            alias = table.alias or table.name
            table.replace(exp.alias_(exp.to_table(f"table_{index}"), alias, quoted=True, table=True))


def parsed(sql: str) -> Any:
    """The statement's tree.

    Raises:
        QueryFailed: It cannot be read, or is more than one.
    """
    import logging

    import sqlglot
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it does not know comes as a Command, and is told below
    try:
        found = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except SqlglotError as error:
        raise QueryFailed(f"SYNTAX_ERROR: {_plain(str(error))}") from error
    if len(found) != 1:
        raise QueryFailed("Only one sql statement is allowed.")
    return found[0]


def _result_names(query: Any) -> list[str]:
    """Names of the result's columns; those without a name are _col0 and so on. Empty when a star hides some."""
    from sqlglot import exp

    selected = query.selects
    if any(isinstance(item, exp.Star) or item.is_star for item in selected):
        return []
    return [item.alias_or_name or f"_col{index}" for index, item in enumerate(selected)]


def _in_athenas_words(error: Exception) -> str:
    import duckdb

    words = _plain(str(error))
    if isinstance(error, duckdb.BinderException) and "not found" in words:
        match = re.search(r'column "([^"]+)"', words)
        return f"COLUMN_NOT_FOUND: line 1:1: Column '{match.group(1) if match else '?'}' cannot be resolved"
    if isinstance(error, duckdb.ConversionException):
        return f"INVALID_CAST_ARGUMENT: {words}"
    if isinstance(error, duckdb.InterruptException):
        return "Query cancelled by user"
    return f"GENERIC_USER_ERROR: {words}"


def _plain(words: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", words).strip().splitlines()[0] if words.strip() else "no reason given"
