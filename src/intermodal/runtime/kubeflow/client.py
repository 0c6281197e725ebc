"""The way to a Kubeflow Pipelines server: its generated client, with who we are.

`kfp.Client` is not used: it writes into the user's home directory, asks the server before it is asked
anything, and prints HTML.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.kubeflow.settings import KubeflowSettings

IN_CLUSTER_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"  # noqa: S105  where the kubelet puts it
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0


def open_client(settings: KubeflowSettings) -> Any:
    """A `kfp_server_api.ApiClient` for the server.

    Args:
        settings: Where it is, and who we are.

    Raises:
        UsageError: There is no host, or the token, cookie or certificate that is named is not there.
    """
    import kfp_server_api

    configuration = kfp_server_api.Configuration(host=require_host(settings))
    configuration.retries = False  # the client must know of every attempt: a run may not be created twice
    if settings.ca_file:
        if not Path(settings.ca_file).is_file():  # asked for a certificate it lacks, a server is asked for minutes
            raise UsageError(
                "the certificate is not there", seen=settings.ca_file, expected="the file kubeflow.ca_file"
            )
        configuration.ssl_ca_cert = settings.ca_file
    token = token_of(settings)
    if token is not None:
        configuration.api_key_prefix["authorization"] = "Bearer"
        configuration.refresh_api_key_hook = lambda config: config.api_key.update(authorization=token())
        configuration.api_key["authorization"] = token()
    return kfp_server_api.ApiClient(configuration, cookie=cookie_of(settings) or None)


def require_host(settings: KubeflowSettings) -> str:
    """The server's address.

    Raises:
        UsageError: There is none, or it is no address.
    """
    if settings.host.startswith(("http://", "https://")):
        return settings.host
    raise UsageError(
        "[kubeflow] host is not an address" if settings.host else "nobody said where Kubeflow Pipelines is",
        seen=settings.host,
        expected='[kubeflow] host = "https://…" in intermodal.toml, or KF_PIPELINES_ENDPOINT',
        next_step="on a laptop: intermodal kubeflow-fake --port 8888, then host http://127.0.0.1:8888",
    )


def token_of(settings: KubeflowSettings) -> Callable[[], str] | None:
    """What gives the bearer token, asked for each request because service account tokens rotate.

    Args:
        settings: Which one to take; without any, the pod's own where there is one.

    Returns:
        A function; None when there is no token.

    Raises:
        UsageError: The token that is named is not there.
    """
    if settings.token_env:
        value = _variable(settings.token_env, "token_env")
        return lambda: value
    path = Path(settings.token_file or IN_CLUSTER_TOKEN)
    if path.is_file():
        return lambda: path.read_text().strip()
    if settings.token_file:
        raise UsageError("the token file is not there", seen=path, expected="a file as kubeflow.token_file says")
    return None


def cookie_of(settings: KubeflowSettings) -> str:
    """The cookie; empty when none is named.

    Raises:
        UsageError: It is named, but not there.
    """
    return _variable(settings.cookie_env, "cookie_env") if settings.cookie_env else ""


def headers_of(settings: KubeflowSettings) -> dict[str, str]:
    """The same for requests that the generated client does not know, such as a pod's log."""
    token, cookie = token_of(settings), cookie_of(settings)
    found = {"Authorization": f"Bearer {token()}"} if token is not None else {}
    return {**found, **({"Cookie": cookie} if cookie else {})}


def _variable(name: str, key: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(
            f"the environment variable of kubeflow.{key} is not set", seen=name, next_step=f"export {name}=…"
        )
    return value
