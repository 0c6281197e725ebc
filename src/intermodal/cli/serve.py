"""`intermodal serve`: answer questions to a trained model over HTTP."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intermodal.cli.main import new_parser
from intermodal.errors import RuntimeFailed, UsageError

# SageMaker starts a container with the word `serve` alone, and the model lies here.
_HOSTED = f"{os.environ.get('SM_LOCAL_PREFIX', '/opt/ml')}/model"  # the variable: a local service's stand-in
_HOST_VARIABLE, _PORT_VARIABLE = "INTERMODAL_SERVE_HOST", "SAGEMAKER_BIND_TO_PORT"


def main(arguments: Sequence[str]) -> int:
    """Serve a model until told to stop.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        UsageError: There is no such model, or the packages that serve are not installed.
        RuntimeFailed: The port is taken.
    """
    parser = new_parser("serve")
    parser.add_argument(
        "model", nargs="?", default=_HOSTED, help="a model: its directory or URI, or TASK.OUTPUT of the newest run"
    )
    host, port = os.environ.get(_HOST_VARIABLE, "127.0.0.1"), os.environ.get(_PORT_VARIABLE, "8080")
    parser.add_argument("--host", default=host, help="address to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=port, help="port to listen at, 0 for a free one (default: 8080)")
    parser.add_argument("--name", default="reviews", help="the model's name in /v2/models/NAME (default: reviews)")
    options = parser.parse_args(arguments)
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ImportError as error:
        step = "pip install 'intermodal[serve]'"
        raise UsageError("serving needs two more packages", seen=error, next_step=step) from error
    from intermodal.serving.server import make_application

    if not 0 <= options.port < 65536:
        raise UsageError("there is no such port", seen=options.port, expected="0 to 65535")
    application = make_application(_directory(options.model), options.name)

    class Telling(uvicorn.Server):  # type: ignore[misc]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                port = self.servers[0].sockets[0].getsockname()[1]
                address = f"http://{options.host}:{port}"
                words = f"serving {options.model}: {address}/invocations, {address}/v2/models/{options.name}/infer"
                print(words, flush=True)

    try:
        Telling(uvicorn.Config(application, host=options.host, port=options.port, log_level="warning")).run()
    except SystemExit as stopped:  # how uvicorn says that it could not start
        raise RuntimeFailed(
            "the server did not start",
            seen=f"{options.host}:{options.port}",
            expected="a free port",
            next_step="choose another one: --port",
        ) from stopped
    return 0


def _directory(model: str) -> Path:
    """A local, verified directory of the model."""
    if (Path(model) / "predictor.py").is_file() and (model == _HOSTED or not (Path(model) / "manifest.json").is_file()):
        return Path(model)  # unpacked by somebody else: SageMaker's /opt/ml/model, KServe's /mnt/models
    from intermodal.core.config import load_settings
    from intermodal.runtime.artifact_names import find_artifact
    from intermodal.store.inputs import resolve_input

    settings = load_settings()
    return resolve_input(find_artifact(model, settings).uri, settings.home / "inputs").path
