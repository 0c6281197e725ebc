"""Creating the tracking database safely, once.

MLflow migrates an empty database on first use. Two processes that do so at once corrupt it, on SQLite and on
PostgreSQL alike, and one that is killed leaves it half made. So a SQLite database is made aside, under a file
lock, and renamed into place whole; a PostgreSQL one is made under an advisory lock.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from intermodal.errors import StoreFailed, UsageError

LOCK_SECONDS = 180.0
_ADVISORY_KEY = 0x1D7E_0001  # any number that nothing else on the server locks
_SQLITE = "sqlite:///"


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite tracking URI; None for any other URI, and for one in memory."""
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    return Path(path) if uri.startswith(_SQLITE) and path and path != ":memory:" else None


def artifact_root(uri: str) -> str:
    """Where runs of a new experiment keep their artifacts.

    Args:
        uri: The tracking URI.

    Returns:
        `mlartifacts` beside a SQLite database; for a server "", since it decides itself; for another
        database `MLFLOW_ARTIFACT_ROOT`, or `mlartifacts` under `INTERMODAL_HOME`.
    """
    if path := sqlite_path(uri):
        return str(path.absolute().parent / "mlartifacts")
    if not is_database(uri):
        return ""
    home = Path(os.environ.get("INTERMODAL_HOME") or ".intermodal").absolute()
    return os.environ.get("MLFLOW_ARTIFACT_ROOT") or str(home / "mlartifacts")


def is_database(uri: str) -> bool:
    """Whether the URI names a database that this process opens itself."""
    return uri.partition(":")[0].partition("+")[0] in ("sqlite", "postgresql", "mysql", "mssql")


def ensure_store(uri: str) -> None:
    """Make the tracking database if it is not there yet.

    Args:
        uri: The tracking URI; a server's is left alone, since the server did this.

    Raises:
        StoreFailed: The database cannot be made, or another process held the lock too long.
        UsageError: The database's driver is not installed.
    """
    path = sqlite_path(uri)
    if path and not _made(path):
        _make_sqlite(path.absolute())
    elif uri.startswith("postgresql"):
        _make_postgres(uri)


def prefer_speed(uri: str) -> None:
    """Let this process's SQLite connections leave the flushing to the write-ahead log.

    A commit then costs no disk flush (10 tasks: 0.25 s of wall time instead of 1.3). A power cut may lose the last
    records, never the database.
    """
    if sqlite_path(uri) is None:
        return
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def _relax(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")


def tidy(uri: str) -> None:
    """Fold a SQLite database's write-ahead log into the database, so that one file holds everything."""
    path = sqlite_path(uri)
    if path and _made(path):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=1)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _made(path: Path) -> bool:
    # A process that opened the file and was killed leaves it empty.
    return path.exists() and path.stat().st_size > 0


def _make_sqlite(path: Path) -> None:
    import filelock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            if not _made(path):
                _make_aside(path)
    except filelock.Timeout as error:
        raise _failed(path, f"{path}.lock has been held for {LOCK_SECONDS:.0f} s") from error
    except (OSError, sqlite3.Error) as error:
        raise _failed(path, error) from error


def _make_aside(path: Path) -> None:
    for leftover in path.parent.glob(f".{path.name}.*.new*"):
        leftover.unlink(missing_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    _migrate(f"{_SQLITE}{aside}", artifact_root(f"{_SQLITE}{path}"))
    with contextlib.closing(sqlite3.connect(aside)) as connection:
        # Kept in the file: readers no longer wait for the writer, nor it for them.
        connection.execute("PRAGMA journal_mode=WAL")
    os.replace(aside, path)


def _make_postgres(uri: str) -> None:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": 10})
    except ModuleNotFoundError as error:
        # SQLAlchemy 2.1 takes a bare postgresql:// for psycopg 3.
        step = "pip install psycopg2-binary, and write postgresql+psycopg2://… as the tracking URI"
        raise UsageError("PostgreSQL's driver is not installed", seen=error, next_step=step) from error
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"SET statement_timeout = '{LOCK_SECONDS:.0f}s'"))
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({_ADVISORY_KEY})"))
            # The lock ends with the connection, also when this process is killed.
            _migrate(uri, artifact_root(uri))
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _failed(engine.url.render_as_string(hide_password=True), error) from error
    finally:
        engine.dispose()


def _migrate(uri: str, root: str) -> None:
    """Let MLflow make its tables; a database that has them is only looked at."""
    from intermodal.tracking.mlflow_import import set_defaults

    set_defaults()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(uri, root)
    store.engine.dispose()


def _failed(where: object, why: object) -> StoreFailed:
    return StoreFailed(
        f"the MLflow database {where} cannot be made",
        seen=why,
        expected="a directory that can be written, on a local disk",
        next_step="set MLFLOW_TRACKING_URI, or INTERMODAL_HOME, to another place",
    )
