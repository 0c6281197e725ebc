"""Everything that is recorded, logged and registered, against a SQLite store."""

from __future__ import annotations

from mlflow_cases import ProcessCases, RecorderCases
from mlflow_registry_cases import ModelCases, RegistryCases


class TestRecorder(RecorderCases):
    """See `RecorderCases`."""


class TestProcess(ProcessCases):
    """See `ProcessCases`."""


class TestModels(ModelCases):
    """See `ModelCases`."""


class TestRegistry(RegistryCases):
    """See `RegistryCases`."""
