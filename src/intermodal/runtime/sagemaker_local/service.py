"""The service: where it keeps things, what it executes with, and clients of itself."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.errors import RuntimeFailed
from intermodal.runtime.sagemaker_local.answers import Tags
from intermodal.runtime.sagemaker_local.executing import Executor, choose_executor
from intermodal.runtime.sagemaker_local.faults import Faults
from intermodal.runtime.sagemaker_local.images import Images
from intermodal.runtime.sagemaker_local.jobs import Jobs
from intermodal.runtime.sagemaker_local.operations import load_operations
from intermodal.runtime.sagemaker_local.records import Records

ACCOUNT = "123456789012"  # moto's
_LAST_GRACE = 1.0
OWN_KEY = "INTERMODALSERVICE"  # faults spare the service's own calls


@dataclass(frozen=True)
class LocalOptions:
    """Options of the service.

    Attributes:
        home: Folder of its state.
        port: Port on 127.0.0.1; 0 takes a free one.
        region: The region it is.
        images: Image reference → folder whose `bin` holds its programs.
        engine: Where jobs run: "auto", "containers", "namespaces" or "processes".
        s3: URL of another S3 server; moto's by default.
        s3_key: Access key and secret for that server.
        grace: Seconds between SIGTERM and SIGKILL of a job that is stopped.
        seed: Of faults that are left to chance.
    """

    home: Path
    port: int = 0
    region: str = "us-east-1"
    images: dict[str, Path] = field(default_factory=dict)
    engine: str = "auto"
    s3: str = ""
    s3_key: tuple[str, str] = ("", "")
    grace: float = 120.0
    seed: int = 0


class Service:
    """A local SageMaker's state; `server` puts it behind HTTP.

    Args:
        options: Its options.
        url: Where it will listen.
    """

    account = ACCOUNT

    def __init__(self, options: LocalOptions, url: str) -> None:
        self.options, self.url = options, url
        self.home = options.home.absolute()
        self.region = options.region
        self.home.mkdir(parents=True, exist_ok=True)
        load_operations()
        self.faults = Faults(options.seed)
        self.images = Images(options.images)
        self.tags = Tags(self.home / "tags")
        self._clients: dict[str, Any] = {}
        self._records: dict[str, Records] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self.executor: Executor = choose_executor(self, options.engine)
        self._held = _hold(self.home)
        self.executor.sweep()
        self.jobs = Jobs(self)
        self.jobs.restore()

    def arn(self, rest: str, service: str = "sagemaker") -> str:
        """An ARN of this account and region.

        Args:
            rest: Such as "training-job/name".
            service: The service's name in ARNs.
        """
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def client(self, name: str) -> Any:
        """A boto3 client of this very service, shared by all threads.

        Args:
            name: Such as "s3"; what no operation answers is moto's.
        """
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._new_client(name)
            return self._clients[name]

    def records(self, kind: str) -> Records:
        """Documents of a kind, for things that are no jobs: configurations, endpoints, packages.

        Args:
            kind: Such as "EndpointConfig".
        """
        with self._lock:
            if kind not in self._records:
                self._records[kind] = Records(self.home / "records" / kind)
            return self._records[kind]

    def environment(self, label: str) -> dict[str, str]:
        """What a program needs to reach this service: region, address, and credentials of its own.

        Args:
            label: ARN or name of what it runs for; it is told from the credentials.
        """
        digest = hashlib.sha256(label.encode()).hexdigest()
        return {
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url,
            "S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": f"ASIA{digest[:16].upper()}",
            "AWS_SECRET_ACCESS_KEY": digest[16:56],
            "AWS_SESSION_TOKEN": label,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def grace(self) -> float:
        """Seconds between SIGTERM and SIGKILL: fewer while the service itself ends."""
        return min(self.options.grace, _LAST_GRACE) if self._closing.is_set() else self.options.grace

    def close(self) -> None:
        """Stop what runs."""
        self._closing.set()
        self.jobs.stop_all()
        self.executor.close()
        self._held.release()

    def _new_client(self, name: str) -> Any:
        import boto3
        from botocore.config import Config

        session = boto3.Session(aws_access_key_id=OWN_KEY, aws_secret_access_key=OWN_KEY, region_name=self.region)
        config = Config(max_pool_connections=50, retries={"mode": "standard", "max_attempts": 5})
        return session.client(name, endpoint_url=self.url, config=config)


def _hold(home: Path) -> Any:
    """Hold a home: two services would each take the other's jobs for left over.

    Raises:
        RuntimeFailed: Another service has it.
    """
    from filelock import FileLock, Timeout

    held = FileLock(home / ".lock")
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise RuntimeFailed(
            "another local SageMaker uses this folder", seen=home, next_step="stop it, or choose another --home"
        ) from error
    return held
