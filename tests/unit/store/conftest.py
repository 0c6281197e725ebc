"""The same cases over both stores, a directory and a bucket on a real S3 server; folders of a step and of a home."""

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


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """Where a step leaves its outputs."""
    path = tmp_path / "staging"
    (path / "outputs").mkdir(parents=True)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where copies from remote stores lie."""
    return tmp_path / "home" / "inputs"
