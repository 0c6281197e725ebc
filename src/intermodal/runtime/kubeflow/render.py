"""From a pipeline and `[kubeflow]` to what is uploaded: IR and platform spec, every image by digest; pure.

KFP's own cache is switched off for our steps: it would answer without asking whether the sources have
changed, and without a word to the store. The task wrapper asks the store instead, in the pod.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from intermodal.errors import UsageError
from intermodal.runtime.compiled import Rendered, executors_of, plain
from intermodal.runtime.graph import step_of
from intermodal.runtime.kubeflow.platform import pod_config
from intermodal.runtime.kubeflow.settings import KubeflowSettings, PodSettings
from intermodal.runtime.pipeline import Pipeline

POD_HOME = "/tmp/intermodal"  # noqa: S108  a path in the pod


def render(
    pipeline: Pipeline,
    settings: KubeflowSettings,
    images: dict[str, str] | None = None,
    *,
    use_cache: bool = True,
    delegated: dict[str, dict[str, str]] | None = None,
) -> Rendered:
    """What `--on kubeflow` uploads.

    Args:
        pipeline: The pipeline.
        settings: What pods are given.
        images: Image family → reference by digest.
        use_cache: Whether remembered results may be used.
        delegated: Step or task whose pod has the work done elsewhere → the variables that tell it so.

    Raises:
        UsageError: `[kubeflow]` names a step that does not exist, is written wrongly, or would upload a password.
    """
    for key in ("mlflow_tracking_uri", "store"):
        _check_no_credentials(key, getattr(settings, key))
    made = plain(pipeline, images)
    executors = executors_of(made.spec)
    repeated = _repeated(made.spec)
    steps = {label: _step_name(item) for label, item in executors.items() if "container" in item}
    _check_steps(settings, {name for name in steps.values() if name})
    kubernetes = made.platform.platforms["kubernetes"].deployment_spec.executors
    for label, step in steps.items():
        pod, container = settings.pod_of(step), executors[label]["container"]
        _set_resources(container, pod)
        if step:
            cached = use_cache and label not in repeated
            told = _delegation(delegated or {}, label, step, container)
            _set_environment(container, {**_environment(settings, cached), **told, **pod.env})
        else:
            _set_environment(container, pod.env)
        config = pod_config(pod, _plain(kubernetes[label]) if label in kubernetes else {}, ours=bool(step))
        kubernetes[label].Clear()
        kubernetes[label].update(config)
    ours = {label: name for label, name in steps.items() if name}
    for dag in _dags(made.spec):
        for task in dag.tasks.values():
            label = made.spec.components[task.component_ref.name].executor_label
            if label in steps:
                _set_policy(task, settings.pod_of(steps[label]), own_cache=label in ours)
    return made


def check_reachable(settings: KubeflowSettings) -> None:
    """Refuse a store that no pod can see.

    Raises:
        UsageError: The store is a directory of this machine, and the server is elsewhere.
    """
    if _local_path(settings.store) and not _loopback(settings.host):
        raise UsageError(
            "pods cannot see the artifact store",
            seen=settings.store,
            expected='[kubeflow] store = "s3://bucket/prefix"',
            next_step="set it in intermodal.toml, or INTERMODAL_STORE",
        )


def _check_no_credentials(key: str, uri: str) -> None:
    """Refuse an address with a password in it: what is uploaded is there for everyone to read.

    Raises:
        UsageError: There is one.
    """
    if urlsplit(uri).password is not None:
        raise UsageError(
            f"kubeflow.{key} holds a password, which would stand in the uploaded pipeline",
            seen=uri.partition("://")[0] + "://…@" + uri.rpartition("@")[2],
            expected="an address without user and password",
            next_step='a secret: secrets = [{name = "mlflow", env = {password = "MLFLOW_TRACKING_PASSWORD"}}]',
        )


def _local_path(uri: str) -> bool:
    return "://" not in uri or uri.startswith(("sqlite:", "file:"))


def _loopback(host: str) -> bool:
    """Whether the server is on this machine, as a fake is; its pods see the same directories then."""
    return urlsplit(host).hostname in ("127.0.0.1", "localhost", "::1")


def _step_name(executor: Any) -> str:
    container = executor["container"]
    return step_of(list(container["command"]) if "command" in container else []).rpartition(":")[2]


def _check_steps(settings: KubeflowSettings, present: set[str]) -> None:
    import difflib

    from intermodal.core.registry import known_steps

    known = present | known_steps().keys()
    for name in settings.steps.keys() - known:
        near = difflib.get_close_matches(name, known, n=1) or sorted(known)
        raise UsageError(f"[kubeflow.steps.{name}]: there is no such step", seen=name, expected=", ".join(near))


def _environment(settings: KubeflowSettings, cached: bool) -> dict[str, str]:
    """What the task wrapper must know, whatever the pod is; it records nothing in an MLflow that it cannot see."""
    unseen = _local_path(settings.mlflow_tracking_uri) and not _loopback(settings.host)
    return {
        "INTERMODAL_HOME": POD_HOME,
        "INTERMODAL_STORE": settings.store,
        "MLFLOW_TRACKING_URI": "off" if unseen else settings.mlflow_tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": settings.mlflow_experiment,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        **({} if cached else {"INTERMODAL_USE_CACHE": "0"}),
    }


def _delegation(delegated: dict[str, dict[str, str]], label: str, step: str, container: Any) -> dict[str, str]:
    """What a pod must know that delegates its work; the job runs in the very image of the pod."""
    names = {item.replace("-", "_") for item in (step, label.removeprefix("exec-"))}
    told = next((values for name, values in delegated.items() if name.replace("-", "_") in names), {})
    if not told:
        return {}
    from intermodal.core.component import IMAGE_VARIABLE
    from intermodal.core.registry import load_spec

    family = load_spec(step_of(list(container["command"]))).needs.image
    return {**told, IMAGE_VARIABLE.format(family=family.upper()): container["image"]}


def _set_environment(container: Any, values: dict[str, str]) -> None:
    """Add variables; what the pipeline sets itself stands."""
    own = [dict(item) for item in container["env"]] if "env" in container else []
    named = {item["name"] for item in own}
    added = [{"name": name, "value": value} for name, value in values.items() if name not in named]
    if own or added:
        container["env"] = [*own, *added]


def _set_resources(container: Any, pod: PodSettings) -> None:
    resources = _plain(container["resources"]) if "resources" in container else {}
    if pod.cpu:
        resources |= {"resourceCpuRequest": pod.cpu}
        resources.pop("cpuRequest", None)
    if pod.memory:
        resources |= {"resourceMemoryRequest": pod.memory, "resourceMemoryLimit": pod.memory}
        resources.pop("memoryRequest", None)
        resources.pop("memoryLimit", None)
    if pod.gpu is not None:
        resources.pop("accelerator", None)
    if pod.gpu:
        accelerator = {"type": pod.gpu_type, "count": str(pod.gpu)}
        resources["accelerator"] = {**accelerator, "resourceType": pod.gpu_type, "resourceCount": str(pod.gpu)}
    if resources:
        container["resources"] = resources


def _set_policy(task: Any, pod: PodSettings, *, own_cache: bool) -> None:
    if own_cache:
        task.caching_options.enable_cache = False
    if pod.retries and not task.HasField("retry_policy"):
        task.retry_policy.max_retry_count = pod.retries
        task.retry_policy.backoff_duration.seconds = pod.retry_backoff
        task.retry_policy.backoff_factor = pod.retry_factor
        task.retry_policy.backoff_max_duration.seconds = pod.retry_longest


def _dags(spec: Any) -> list[Any]:
    inner = [item.dag for item in spec.components.values() if item.WhichOneof("implementation") == "dag"]
    return [spec.root.dag, *inner]


def _repeated(spec: Any) -> set[str]:
    """Executors of which a task must always run: the pipeline switched its cache off."""
    return {
        spec.components[task.component_ref.name].executor_label
        for dag in _dags(spec)
        for task in dag.tasks.values()
        if task.HasField("caching_options") and not task.caching_options.enable_cache
    }


def _plain(value: Any) -> dict[str, Any]:
    from google.protobuf import json_format

    return dict(json_format.MessageToDict(value))
