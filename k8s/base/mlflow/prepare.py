"""Bring the database to this MLflow's schema, one pod at a time.

MLflow migrates by itself when it starts, but two servers that do so at once corrupt an empty database. The lock ends
with the connection, so a pod that is killed here holds up nobody.
"""

import os

import sqlalchemy
from mlflow.server.auth.db.utils import migrate_if_needed as migrate_accounts
from mlflow.store.db.utils import _upgrade_db
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

LOCK = 20_260_001  # any number that nothing else on this server locks
URI = os.environ["MLFLOW_BACKEND_STORE_URI"]

engine = sqlalchemy.create_engine(URI)
with engine.connect() as connection:
    connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({LOCK})"))
    if sqlalchemy.inspect(engine).has_table("experiments"):
        _upgrade_db(engine)  # what `mlflow db upgrade` calls
    SqlAlchemyStore(URI, "mlflow-artifacts:/").engine.dispose()  # makes the tables of an empty database
    migrate_accounts(engine, "head")
print("the database is ready")
