"""The MLflow door: project backends that run an entry point of an `MLproject` on a runtime of intermodal.

MLflow finds the backends by entry points and imports this package only then, with MLflow loaded already. The
work itself is done by a process of its own (`intermodal entry`), in the project's directory: it reads the
project's code, checks every parameter before anything is recorded, and ends with whoever started it.

    mlflow run . -e reviews -b intermodal-local -P rows=2000
"""
