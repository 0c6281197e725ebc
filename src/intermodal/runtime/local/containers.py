"""Tasks in containers, through kfp's DockerRunner handler, with the result checked by its manifest.

kfp's handler mounts only its pipeline root. A task of ours needs the home directory (store, run folder)
at the same path, and read-only whatever local data a parameter names. kfp lets the engine remove the
container and takes an exit code it could not read for success; so what counts here is the outcome file
alone: none means that the task failed.
"""

from __future__ import annotations

import contextlib
import glob
import io
import os
import threading
from pathlib import Path
from typing import Any

from intermodal.core.attempt import CONTAINER_VARIABLE
from intermodal.core.component import image_of
from intermodal.core.step import spec_of
from intermodal.errors import RuntimeFailed
from intermodal.runtime.local.launch import Launch, Launcher, vanished
from intermodal.runtime.outcome import Outcome

_LABEL = "intermodal.launcher"


class Containers(Launcher):
    """Runs each task in a container of its step's image.

    Args:
        home: The home directory, mounted at the same path.

    Raises:
        RuntimeFailed: No container engine answers.
    """

    mode = "container"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stopped = threading.Event()
        _ping()

    def run(self, launch: Launch) -> Outcome:
        """See `Launcher.run`."""
        context = launch.task.context
        context.outcome.unlink(missing_ok=True)
        spec = spec_of(launch.task.function)
        image = launch.image or image_of(spec.needs.image)
        _require_image(image)
        sources = [launch.task.given.parameters.get(name) for name in spec.needs.sources]
        watcher = _Watcher(launch)
        # kfp's handler prints which image it found; standard output belongs to the result.
        with watcher, contextlib.redirect_stdout(io.StringIO()):
            code = self._handler(launch, image, [item for item in sources if isinstance(item, str)]).run()
        launch.watch()
        if self._stopped.is_set():
            return vanished(context.task, 143)
        return Outcome.load(context.outcome) or vanished(context.task, int(code.value))

    def terminate(self) -> None:
        """See `Launcher.terminate`."""
        self._stopped.set()

    def stop(self) -> None:
        """See `Launcher.stop`."""
        import docker

        self._stopped.set()
        client = docker.from_env()
        with contextlib.closing(client):
            for container in client.containers.list(filters={"label": f"{_LABEL}={os.getpid()}"}):
                with contextlib.suppress(docker.errors.APIError):
                    container.stop(timeout=10)

    def _handler(self, launch: Launch, image: str, sources: list[str]) -> Any:
        from kfp import local
        from kfp.local.docker_task_handler import DockerTaskHandler

        home, mounts = self._home, _mounts(sources)

        class MountingHandler(DockerTaskHandler):
            def get_volumes_to_mount(self, client: Any = None) -> dict[str, Any]:
                return {str(home): {"bind": str(home), "mode": "rw"}, **mounts}

        context = launch.task.context
        command = ["python3", "-u", "-m", "intermodal", "task", "--step", launch.step]
        command += ["--executor_input", f"@{context.folder / 'executor_input.json'}"]
        log = f'exec "$0" "$@" >> "{context.log}" 2>&1'
        runner = local.DockerRunner(
            user=f"{os.getuid()}:{os.getgid()}",
            working_dir=str(home),
            labels={_LABEL: str(os.getpid())},
            network_mode="host" if context.settings.tracking_uri.startswith("http") else "bridge",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        environment = {**_passed_on(), **launch.environment, **context.to_environment(), CONTAINER_VARIABLE: "1"}
        environment.pop("INTERMODAL_MISSED", None)  # the image's packages are its own: it looks for itself
        environment |= {"HOME": "/tmp", "_KFP_RUNTIME": "true"}  # noqa: S108  the container's own
        return MountingHandler(image, ["sh", "-c", log, *command], str(home), runner, environment)


class _Watcher:
    """Shows log and progress while kfp's handler blocks."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.1):
            self._launch.watch()


def _mounts(sources: list[str]) -> dict[str, Any]:
    """Read-only mounts for local data that parameters name: a file, a folder, or what a glob finds."""
    paths = [
        Path(found).absolute() for source in sources if source and "://" not in source for found in glob.glob(source)
    ]
    return {str(path): {"bind": str(path), "mode": "ro"} for path in paths}


def _passed_on() -> dict[str, str]:
    """AWS settings reach the container as they are; nothing else of the environment does."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _ping() -> None:
    import docker

    try:
        client = docker.from_env(timeout=10)
        client.ping()
        client.close()
    except (docker.errors.DockerException, OSError) as error:
        raise RuntimeFailed(
            "no container engine answers",
            seen=error,
            expected=f"a Docker engine at {os.environ.get('DOCKER_HOST', 'the default socket')}",
            next_step="start Docker or Podman, or run without --containers",
        ) from error


def _require_image(image: str) -> None:
    import docker

    client = docker.from_env()
    with contextlib.closing(client):
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound as error:
            family = image.partition("/")[2].partition(":")[0]
            raise RuntimeFailed(
                "the step's image is not on this machine",
                seen=image,
                expected="an image built from components/Dockerfile",
                next_step=f"docker build -f components/Dockerfile --target {family or 'core'} -t {image} .",
            ) from error
