"""AWS's services of data on the local service: the artifact store in its bucket, and Athena."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_sagemaker import BUCKET, client

if TYPE_CHECKING:
    from intermodal.aws.athena_queries import Athena


@pytest.fixture
def aws(local_sagemaker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The local service, with the artifact store in its bucket; moto keeps what earlier tests of a process made."""
    urllib.request.urlopen(urllib.request.Request(f"{local_sagemaker.url}/moto-api/reset", method="POST")).close()
    client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setenv("INTERMODAL_STORE", f"s3://{BUCKET}/store")
    monkeypatch.chdir(tmp_path)
    return local_sagemaker


@pytest.fixture
def athena(aws: Any) -> Athena:
    """Athena as the settings of the test's own directory say, with its workgroup and database."""
    from intermodal.aws.athena_queries import open_athena

    return open_athena()
