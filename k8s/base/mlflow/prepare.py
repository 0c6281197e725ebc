"""Bring the database to this MLflow's schema, one pod at a time.

MLflow migrates by itself when it starts, but two servers that do so at once corrupt an empty database. The lock ends
with the connection, so a pod that is killed here holds up nobody.
"""

import os
import subprocess
import sys

import sqlalchemy

from intermodal.tracking.store_init import ensure_store

LOCK = 20_260_001  # any number that nothing else on this server locks
URI = os.environ["MLFLOW_BACKEND_STORE_URI"]

with sqlalchemy.create_engine(URI).connect() as connection:
    connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({LOCK})"))
    ensure_store(URI)
    for command in (["mlflow", "db", "upgrade", URI], ["mlflow.server.auth", "db", "upgrade", "--url", URI]):
        subprocess.run([sys.executable, "-m", *command], check=True)
