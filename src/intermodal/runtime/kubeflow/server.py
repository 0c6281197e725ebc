"""What we ask of a Kubeflow Pipelines server, a verb a method; no method decides anything."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from intermodal.runtime.compiled import Rendered
from intermodal.runtime.kubeflow.client import CONNECT_SECONDS, READ_SECONDS, headers_of, open_client
from intermodal.runtime.kubeflow.patience import Lost, Patience, Refused
from intermodal.runtime.kubeflow.settings import KubeflowSettings

Answer = TypeVar("Answer")
_TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
_NOT_FOUND, _EXISTS = 404, 409


class Server:
    """One Kubeflow Pipelines server.

    Args:
        settings: Where it is, and who we are.
        patience: How long it is asked again.
    """

    def __init__(self, settings: KubeflowSettings, patience: Patience | None = None) -> None:
        import kfp_server_api

        self.settings = settings
        self.patience = patience or Patience(settings.patience, settings.host)
        client = open_client(settings)
        self._pool = client.rest_client.pool_manager
        self._experiments = kfp_server_api.ExperimentServiceApi(client)
        self._pipelines = kfp_server_api.PipelineServiceApi(client)
        self._uploads = kfp_server_api.PipelineUploadServiceApi(client)
        self._runs = kfp_server_api.RunServiceApi(client)
        self._health = kfp_server_api.HealthzServiceApi(client)

    def health(self) -> Any:
        """What the server says of itself; asked once."""
        return self.patience.once("say how it is", lambda: self._health.healthz_service_get_healthz(**_options()))

    def experiment(self, name: str) -> str:
        """The id of an experiment, made when new."""
        import kfp_server_api

        def make() -> Any:
            body = kfp_server_api.V2beta1Experiment(display_name=name, namespace=self.settings.namespace or None)
            return self._experiments.experiment_service_create_experiment(body, **_options())

        return str(self._found_or_made("experiment", lambda: self._experiment(name), make).experiment_id)

    def pipeline(self, rendered: Rendered) -> tuple[str, str]:
        """Ids of a pipeline and of the version with exactly this content, uploaded when new."""
        import kfp_server_api

        def make() -> Any:
            body = kfp_server_api.V2beta1Pipeline(
                name=rendered.name, display_name=rendered.name, namespace=self.settings.namespace or None
            )
            return self._pipelines.pipeline_service_create_pipeline(body, **_options())

        pipeline = self._found_or_made("pipeline", lambda: self._pipeline(rendered.name), make).pipeline_id
        made = self._found_or_made(
            "pipeline version",
            lambda: self._version(pipeline, rendered.version),
            lambda: self._uploaded(rendered, pipeline),
        )
        return str(pipeline), str(made.pipeline_version_id)

    def create_run(self, run: Any) -> Any:
        """Create a run, asking a single time.

        Raises:
            Lost: Nobody knows whether it was created.
            Refused: The server said no.
        """
        return self.patience.once(
            "create a run", lambda: self._runs.run_service_create_run(run, **_options(experiment_id=None))
        )

    def runs_named(self, name: str, experiment: str) -> list[Any]:
        """Runs of that display name, oldest first."""

        def look() -> Any:
            given = {"filter": _equals("name", name), "experiment_id": experiment, "page_size": 50}
            return self._runs.run_service_list_runs(**_options(**given))

        found = self.patience.ask("list runs", look).runs or []
        return sorted((run for run in found if run.display_name == name), key=lambda run: (run.created_at, run.run_id))

    def run(self, run_id: str) -> Any:
        """How a run stands."""
        return self.patience.ask("show a run", lambda: self._runs.run_service_get_run(run_id, **_options()))

    def terminate(self, run_id: str) -> None:
        """Tell a run to stop."""
        self.patience.ask("stop a run", lambda: self._runs.run_service_terminate_run(run_id, **_options()))

    def retry(self, run_id: str) -> None:
        """Have the failed tasks of a run repeated."""
        self.patience.ask("repeat a run", lambda: self._runs.run_service_retry_run(run_id, **_options()))

    def pod_log(self, pod: str, run_id: str, created: str) -> bytes | None:
        """All that a pod has printed so far.

        Returns:
            The bytes; None when there is nothing to be had.

        Raises:
            Lost: The server did not answer.
            Refused: The pages' server gives no logs.
        """
        query = {"podname": pod, "runid": run_id, "podnamespace": self.settings.namespace or "kubeflow"}
        query |= {"createdat": created[:10]} if created else {}
        url = f"{self.settings.ui_host or self.settings.host}/k8s/pod/logs"

        def get() -> Any:
            return self._pool.request(
                "GET", url, fields=query, headers=headers_of(self.settings), timeout=READ_SECONDS, retries=False
            )

        answer = self.patience.once("give a pod's log", get)
        if answer.status in (429, 502, 503, 504):
            raise Lost(f"{answer.status} at {url}")
        if answer.status == 200 and "text/html" not in answer.headers.get("Content-Type", ""):
            return bytes(answer.data)
        if answer.status in (404, 500):  # the pod has not started, or has gone already
            return None
        raise Refused("Kubeflow's pages give no logs", status=answer.status, seen=f"{answer.status} at {url}")

    def _found_or_made(self, what: str, find: Callable[[], Answer | None], make: Callable[[], Answer]) -> Answer:
        """What has that name; of two clients that make it at once, one finds the other's."""

        def either() -> Answer:
            found = find()
            return found if found is not None else make()

        try:
            return self.patience.ask(f"make the {what}", either)
        except Refused as refused:
            found = self.patience.ask(f"find the {what}", find) if refused.status == _EXISTS else None
            if found is None:
                raise
            return found

    def _experiment(self, name: str) -> Any:
        given = {"filter": _equals("name", name), "namespace": self.settings.namespace or None, "page_size": 10}
        listed = self._experiments.experiment_service_list_experiments(**_options(**given))
        return next((item for item in listed.experiments or [] if item.display_name == name), None)

    def _pipeline(self, name: str) -> Any:
        given = {"filter": _equals("name", name), "namespace": self.settings.namespace or None, "page_size": 10}
        listed = self._pipelines.pipeline_service_list_pipelines(**_options(**given))
        return next((item for item in listed.pipelines or [] if name in (item.name, item.display_name)), None)

    def _version(self, pipeline: str, name: str) -> Any:
        given = {"filter": _equals("name", name), "page_size": 10}
        listed = self._pipelines.pipeline_service_list_pipeline_versions(pipeline, **_options(**given))
        found = listed.pipeline_versions or []
        return next((item for item in found if name in (item.name, item.display_name)), None)

    def _uploaded(self, rendered: Rendered, pipeline: str) -> Any:
        name = rendered.version
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"
            path.write_text(rendered.yaml)
            return self._uploads.upload_pipeline_version(
                str(path), name=name, display_name=name, pipelineid=pipeline, _request_timeout=_TIMEOUT
            )


def _options(**given: Any) -> dict[str, Any]:
    return {"_request_timeout": _TIMEOUT, **{name: value for name, value in given.items() if value is not None}}


def _equals(key: str, value: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "stringValue": value}]})
