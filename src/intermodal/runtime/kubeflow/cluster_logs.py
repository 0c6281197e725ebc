"""A pod's log from the Kubernetes API, for servers whose pages give none; needs a kubeconfig or a pod's account."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.kubeflow.patience import Lost, Refused

_MAIN = "main"  # the container in which Kubeflow runs the task
_TIMEOUT = (5.0, 30.0)
_PASSING = (408, 429, 500, 502, 503, 504)  # of a server that starts again, or whose node does not answer just now


class ClusterLogs:
    """Reads pods' logs in one namespace.

    Args:
        namespace: Where the pods are.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._api: Any = None

    def fetch(self, pod: str, _created: str) -> bytes | None:
        """All that a pod has printed so far; None before it has started.

        Raises:
            Lost: The API server did not answer, or may do better the next time.
            Refused: There is no way to it, or it refused.
        """
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        self._api = self._api or _open()
        try:
            answer = self._api.read_namespaced_pod_log(
                pod, self._namespace, container=_MAIN, _preload_content=False, _request_timeout=_TIMEOUT
            )
            return bytes(answer.data)
        except ApiException as error:
            if error.status in (400, 404):
                return None
            if error.status in _PASSING:
                raise Lost(f"{error.status} {error.reason}") from error
            raise Refused("the Kubernetes API gives no logs", status=error.status, seen=error.reason) from error
        except HTTPError as error:
            raise Lost(str(error)) from error


def _open() -> Any:
    from kubernetes import client, config

    try:
        config.load_config()
    except Exception as error:  # the client raises whatever its readers raise
        text = "neither a kubeconfig nor a pod's own account"
        raise Refused("the Kubernetes API cannot be reached", seen=f"{text}: {type(error).__name__}") from error
    return client.CoreV1Api()
