"""What a fake of Kubeflow Pipelines is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SUBPROCESS = "subprocess"
CONTAINER = "container"
WAYS = (SUBPROCESS, CONTAINER)


@dataclass(frozen=True)
class FakeOptions:
    """Options of one fake.

    Attributes:
        home: Folder for its state, its object store, and the runs' pods.
        port: Where it listens on 127.0.0.1; 0 takes a free one.
        tasks: How pods run: "subprocess" or "container".
        cache: Whether KFP's own cache of tasks is on.
        namespace: The namespace of pods and, without `multi_user`, of everything.
        multi_user: Whether experiments belong to namespaces, as in a whole Kubeflow.
        token: Bearer token that every request must carry; empty for none.
        cookie: Cookie that every request must carry; empty for none.
        pod_env: Variables of every pod, as a mutating webhook or a ConfigMap of the namespace would set them.
        pod_mounts: Host folders that pods see at the same path; containers alone need them.
        secrets: "NAME.KEY" → value, what `use_secret_as_env` finds.
        config_maps: "NAME.KEY" → value, what `use_config_map_as_env` finds.
        mlflow: Tracking URI for KFP's native MLflow; empty switches it off.
        host_network: Whether containers use the host's network, so that they reach a server on loopback.
        grace: Seconds between SIGTERM and SIGKILL when a run is terminated.
    """

    home: Path
    port: int = 0
    tasks: str = SUBPROCESS
    cache: bool = True
    namespace: str = "kubeflow"
    multi_user: bool = False
    token: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    pod_env: Mapping[str, str] = field(default_factory=dict)
    pod_mounts: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    config_maps: Mapping[str, str] = field(default_factory=dict)
    mlflow: str = ""
    host_network: bool = False
    grace: float = 10.0

    @property
    def objects(self) -> Path:
        """The object store: one folder a bucket."""
        return self.home / "objects"

    @property
    def runs(self) -> Path:
        """One folder a run, with its pods."""
        return self.home / "runs"

    def for_pods(self) -> dict[str, Any]:
        """What the process of a run needs to know; it travels through a pipe, never through a file."""
        fields = asdict(self)
        for name in ("token", "cookie", "port"):
            del fields[name]
        return {**fields, "home": str(self.home)}

    @classmethod
    def from_pipe(cls, fields: dict[str, Any]) -> FakeOptions:
        """The reverse of `for_pods`."""
        return cls(**{**fields, "home": Path(fields["home"]), "pod_mounts": tuple(fields["pod_mounts"])})
