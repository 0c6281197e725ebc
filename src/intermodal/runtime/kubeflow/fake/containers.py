"""Pods as containers: the image must be there, nothing runs as root, and what a pod sees is its own.

Of the object store a pod sees the artifacts that the launcher downloads for it, read-only, and the folder
of its own outputs; as on a cluster these lie at `/minio/…`, `/s3/…` or `/gcs/…`. Its root file system
is read-only, `/tmp` is its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Any

from intermodal.runtime.kubeflow.fake.launcher import LauncherFailed, Places, path_of
from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.kubeflow.fake.pods import Pod, Pods, Watch
from intermodal.runtime.reaper import Reaper

LABEL = "intermodal.kubeflow-fake"
_ROOT = "minio://mlpipeline/v2/artifacts"
_ANSWERS = "/tmp/kfp_outputs"  # noqa: S108  KFP's own path inside the pod
_SCRATCH = ("/.local", "/.cache", "/.config")  # KFP gives every pod these
_NOBODY = "65532:65532"
_POLL_SECONDS = 0.05
_ENGINE_SECONDS = 600.0


class ContainerPods(Pods):
    """Each pod is a container of the IR's image, through the Docker engine that `DOCKER_HOST` names.

    Args:
        options: The fake's options.
        run_id: The run; its containers carry it as a label.

    Raises:
        LauncherFailed: No engine answers.
    """

    def __init__(self, options: FakeOptions, run_id: str) -> None:
        import docker

        super().__init__(options)
        self._label = f"{LABEL}={run_id}"
        self._stopping = threading.Event()
        self._containers: dict[str, Any] = {}
        try:
            self._client = docker.from_env(timeout=_ENGINE_SECONDS)
            self._client.ping()
        except (docker.errors.DockerException, OSError) as error:
            raise LauncherFailed(f"no container engine answers: {error}") from error
        self._reaper = Reaper(self._label)

    def root(self, given: str) -> str:
        """See `Pods.root`."""
        return given.rstrip("/") or _ROOT

    def places(self, root: str, run_root: str, folder: Path) -> Places:
        """See `Pods.places`."""
        return Places(root, run_root, _ANSWERS, folder / "kfp_outputs")

    def here(self, uri: str) -> Path:
        """See `Pods.here`."""
        return self.options.objects / uri.partition("://")[2]

    def run(self, pod: Pod, watch: Watch) -> int:
        """See `Pods.run`."""
        container = self._started(pod)
        log = threading.Thread(target=_follow, args=(container, pod.log), daemon=True)
        log.start()
        try:
            while container.status not in ("exited", "dead"):
                watch()
                if self._stopping.is_set():
                    container.stop(timeout=int(self.options.grace))
                time.sleep(_POLL_SECONDS)
                container.reload()
            log.join()
            return int(container.attrs["State"]["ExitCode"])
        finally:
            self._remove(pod.name)

    def kill(self, pod: Pod) -> None:
        """See `Pods.kill`."""
        import docker

        with contextlib.suppress(docker.errors.APIError, KeyError):
            self._containers[pod.name].kill()

    def terminate(self) -> None:
        """See `Pods.terminate`."""
        self._stopping.set()

    def stop(self) -> None:
        """See `Pods.stop`."""
        import docker

        self._stopping.set()
        for name, container in tuple(self._containers.items()):
            with contextlib.suppress(docker.errors.APIError):
                container.stop(timeout=int(self.options.grace))
            self._remove(name)

    def _started(self, pod: Pod) -> Any:
        import docker

        try:
            container = self._client.containers.create(
                pod.image,
                entrypoint=pod.command[:1],
                command=pod.command[1:],
                environment={"HOME": "/tmp", "PYTHONUNBUFFERED": "1", **pod.environment},  # noqa: S108
                volumes=self._volumes(pod),
                labels={LABEL: self._label.partition("=")[2], "pod": pod.name},
                hostname=pod.name[:63].rstrip("-"),
                user=self._user(),
                network_mode="host" if self.options.host_network else "bridge",
                read_only=True,
                tmpfs=dict.fromkeys(("/tmp", *_SCRATCH), "mode=1777,exec"),  # noqa: S108
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
            )
        except docker.errors.ImageNotFound as error:
            raise LauncherFailed(f"ErrImageNeverPull: {pod.image} is not present on this machine") from error
        self._containers[pod.name] = container
        container.start()
        container.reload()
        return container

    def _volumes(self, pod: Pod) -> dict[str, Any]:
        answers = pod.folder / "kfp_outputs"
        written = {**{self.here(uri): path_of(uri) for uri in pod.outputs}, answers: _ANSWERS}
        for folder in (*written, answers / "outputs"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # the pod's user is another; the folders around are ours alone
        written |= {Path(item): item for item in self.options.pod_mounts}
        volumes = {str(here): {"bind": there, "mode": "rw"} for here, there in written.items()}
        read = {str(self.here(uri)): {"bind": path_of(uri), "mode": "ro"} for uri in pod.inputs}
        return {**read, **volumes}

    def _user(self) -> str:
        """Never root: our own user, and where that is root, nobody."""
        return f"{os.getuid()}:{os.getgid()}" if os.getuid() else _NOBODY

    def _remove(self, name: str) -> None:
        import docker

        container = self._containers.pop(name, None)
        if container is not None:
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True)


def _follow(container: Any, log: Path) -> None:
    with log.open("ab") as stream:
        for chunk in container.logs(stream=True, follow=True):
            stream.write(chunk)
            stream.flush()
