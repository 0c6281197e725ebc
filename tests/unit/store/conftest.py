"""The same cases over both stores: a directory, and a bucket on a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.store.base import Store
from intermodal.store.local import LocalStore


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store."""
    if request.param == "local":
        return LocalStore(str(tmp_path / "store"))
    from intermodal.store.s3 import S3Store

    return S3Store(f"{request.getfixturevalue('s3').uri}/some/prefix")
