"""What a pod is given, as the message that kfp-kubernetes makes of it; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from intermodal.core.config import CONFIG_NAME
from intermodal.errors import UsageError
from intermodal.runtime.kubeflow.settings import PodSettings
from intermodal.runtime.pod import POD_VARIABLE, RUN_VARIABLE

RUN_ID_FIELD = "metadata.labels['pipeline/runid']"  # Kubeflow labels every pod of a run so
SHARED_MEMORY, SCRATCH = "/dev/shm", "/tmp"  # noqa: S108  paths in the pod
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_POLICIES = ("Always", "IfNotPresent", "Never")


@dataclass
class _Task:
    """What kfp-kubernetes' setters look at of a task: it lets them work without a pipeline around it."""

    platform_config: dict[str, Any] = field(default_factory=dict)


def pod_config(pod: PodSettings, before: dict[str, Any] | None = None, *, ours: bool = True) -> dict[str, Any]:
    """The platform part of one executor.

    Args:
        pod: What the pod is given.
        before: What the pipeline itself says of the pod already; it is kept.
        ours: Whether it runs a step of ours, which must know its run.

    Returns:
        A `KubernetesExecutorConfig` as a mapping.

    Raises:
        UsageError: A secret or a toleration is written wrongly.
    """
    try:
        from kfp import kubernetes
    except ImportError as error:
        step = 'pip install "intermodal[kfp]"'
        raise UsageError("kfp-kubernetes is not installed", seen=error, next_step=step) from error
    task: Any = _Task({"kubernetes": dict(before or {})})
    if ours:
        kubernetes.use_field_path_as_env(task, RUN_VARIABLE, RUN_ID_FIELD)
        kubernetes.use_field_path_as_env(task, POD_VARIABLE, "metadata.name")
    kubernetes.set_security_context(task, pod.run_as_user, pod.run_as_group, pod.run_as_non_root)
    _add_secrets(task, pod)
    _add_scheduling(task, pod)
    if pod.timeout:
        kubernetes.set_timeout(task, pod.timeout)
    if pod.shared_memory:
        kubernetes.empty_dir_mount(task, "shared-memory", SHARED_MEMORY, "Memory", pod.shared_memory)
    if pod.scratch:
        kubernetes.empty_dir_mount(task, "scratch", SCRATCH, size_limit=pod.scratch)
    for key, value in pod.labels.items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in pod.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)
    return dict(task.platform_config["kubernetes"])


def _add_secrets(task: Any, pod: PodSettings) -> None:
    from kfp import kubernetes

    for secret in pod.secrets:
        name, optional = _checked(secret, "secrets", ("name", "env", "mount", "optional")), bool(secret.get("optional"))
        if bool(secret.get("env")) == bool(secret.get("mount")):
            raise _wrong("secrets", secret, 'either env = {KEY = "VARIABLE"} or mount = "/path"')
        if secret.get("env"):
            kubernetes.use_secret_as_env(task, name, dict(secret["env"]), optional)
        else:
            kubernetes.use_secret_as_volume(task, name, secret["mount"], optional)
    if pod.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(pod.image_pull_secrets))
    if pod.image_pull_policy:
        if pod.image_pull_policy not in _POLICIES:
            raise _wrong("image_pull_policy", pod.image_pull_policy, ", ".join(_POLICIES))
        kubernetes.set_image_pull_policy(task, pod.image_pull_policy)


def _add_scheduling(task: Any, pod: PodSettings) -> None:
    from kfp import kubernetes

    for key, value in pod.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for item in pod.tolerations:
        _checked(item, "tolerations", ("key", "operator", "value", "effect", "seconds"), needs="")
        operator = item.get("operator", "Equal" if "value" in item else "Exists")
        if operator not in ("Equal", "Exists") or (operator == "Exists" and "value" in item):
            raise _wrong("tolerations", item, 'operator = "Exists" without a value, or "Equal" with one')
        if item.get("effect", _EFFECTS[0]) not in _EFFECTS:
            raise _wrong("tolerations", item, f"effect of {', '.join(_EFFECTS)}")
        kubernetes.add_toleration(
            task, item.get("key"), operator, item.get("value"), item.get("effect"), item.get("seconds")
        )


def _checked(table: Any, where: str, known: tuple[str, ...], needs: str = "name") -> str:
    """The value of the key that a table must have; a table with a key that is not known is refused."""
    unknown = sorted(table.keys() - set(known)) if isinstance(table, dict) else ["not a table"]
    if unknown or (needs and not isinstance(table.get(needs), str)):
        raise _wrong(where, table, f"a table with {', '.join(known)}")
    return str(table.get(needs, ""))


def _wrong(where: str, seen: Any, expected: str) -> UsageError:
    return UsageError(f"{CONFIG_NAME}: kubeflow.{where} is wrong", seen=seen, expected=expected)
