"""The section `[kubeflow]` of `intermodal.toml`: where the server is, and what every pod is given.

Secrets are named here, never written: a token is the name of an environment variable or a file, and what
a pod needs comes from a Kubernetes secret.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from intermodal.core.config import Settings
from intermodal.core.sections import check_choice, check_pause, read_section, read_section_with_steps, table

SECTION = "kubeflow"
_HOST_VARIABLES = ("INTERMODAL_KUBEFLOW_HOST", "KF_PIPELINES_ENDPOINT")  # the second is kfp's own
_WHENS = ("leave", "cancel")


@dataclass(frozen=True)
class PodSettings:
    """What pods are given; `[kubeflow]` says it for all, `[kubeflow.steps.NAME]` for one step.

    Attributes:
        env: Variables, as plain text; never a secret.
        secrets: Kubernetes secrets: tables with `name`, and either `env` (key → variable) or `mount` (path);
            `optional` when the pod may start without it.
        image_pull_secrets: Names of secrets with which the image is pulled.
        image_pull_policy: Always, IfNotPresent or Never; the cluster's own by default.
        node_selector: Labels that a node must have.
        tolerations: Taints that are tolerated: tables with `key`, `operator`, `value`, `effect`, `seconds`.
        gpu: Number of accelerators; 0 takes away what the step asks for, None leaves it.
        gpu_type: Resource name of the accelerator.
        cpu: Cores asked for; the step's own by default.
        memory: Memory asked for and allowed; the step's own by default.
        shared_memory: Size of `/dev/shm`, such as "2Gi"; the node's 64 MiB by default.
        scratch: Size of `/tmp` as an empty directory, for pods whose root may not be written; none by default.
        run_as_user: User number of the container.
        run_as_group: Group number of the container.
        run_as_non_root: Whether Kubernetes refuses to start the container as root.
        timeout: Seconds after which a pod is stopped; 0 for never.
        retries: How often a failed task is tried again; the pipeline's own numbers win.
        retry_backoff: Seconds before the first new attempt.
        retry_factor: By how much each wait is longer than the one before.
        retry_longest: Longest wait in seconds.
        labels: Labels of the pods.
        annotations: Annotations of the pods.
    """

    env: dict[str, str] = field(default_factory=dict)
    secrets: list[dict[str, Any]] = field(default_factory=list)
    image_pull_secrets: list[str] = field(default_factory=list)
    image_pull_policy: str = ""
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    gpu: int | None = None
    gpu_type: str = "nvidia.com/gpu"
    cpu: str = ""
    memory: str = ""
    shared_memory: str = ""
    scratch: str = ""
    run_as_user: int = 1000
    run_as_group: int = 1000
    run_as_non_root: bool = True
    timeout: int = 0
    retries: int = 0
    retry_backoff: int = 10
    retry_factor: float = 2.0
    retry_longest: int = 600
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KubeflowSettings:
    """Everything `[kubeflow]` can say.

    Attributes:
        host: Address of the Kubeflow Pipelines API, such as "https://kubeflow.example.com/pipeline"
            (`INTERMODAL_KUBEFLOW_HOST`, `KF_PIPELINES_ENDPOINT`).
        ui_host: Address of its pages, where it is another one.
        namespace: The user's namespace; empty in single-user mode.
        experiment: Experiment in Kubeflow; MLflow's by default.
        token_env: Name of the environment variable with a bearer token.
        token_file: File with a bearer token; read again for each request, as service account tokens rotate.
        cookie_env: Name of the environment variable with a cookie.
        ca_file: Certificate authority of the server.
        service_account: Service account of the pods.
        store: Artifact store as the pods see it; the client's by default.
        pipeline_root: KFP's own root for artifacts; the server's by default.
        mlflow_tracking_uri: MLflow as the pods see it; the client's by default.
        mlflow_experiment: Experiment in MLflow; the client's by default.
        allow_mutable_tags: Submit images that are not named by digest.
        on_interrupt: "leave" or "cancel": what Ctrl-C does to the run in the cluster.
        poll: Seconds between two looks at the run.
        patience: Seconds for which a server that does not answer is asked again.
        pods: What every pod is given.
        steps: What the pods of one step are given, by the step's name.
    """

    host: str = ""
    ui_host: str = ""
    namespace: str = ""
    experiment: str = ""
    token_env: str = ""
    token_file: str = ""
    cookie_env: str = ""
    ca_file: str = ""
    service_account: str = ""
    store: str = ""
    pipeline_root: str = ""
    mlflow_tracking_uri: str = ""
    mlflow_experiment: str = ""
    allow_mutable_tags: bool = False
    on_interrupt: str = "leave"
    poll: float = 2.0
    patience: float = 300.0
    pods: PodSettings = field(default_factory=PodSettings)
    steps: dict[str, PodSettings] = field(default_factory=dict)

    def pod_of(self, step: str) -> PodSettings:
        """What the pods of a step are given.

        Args:
            step: The step's name, with dashes or underscores.
        """
        return self.steps.get(step.replace("-", "_"), self.pods)


def kubeflow_settings(settings: Settings) -> KubeflowSettings:
    """Read `[kubeflow]`, and complete it with the settings that hold everywhere.

    Args:
        settings: Where things live.

    Raises:
        UsageError: A key is unknown, or a value has the wrong type.
    """
    given = table(settings.extra.get(SECTION, {}), SECTION)
    read = read_section_with_steps(KubeflowSettings(), given, SECTION, "pods", _pods)
    made = replace(
        read,
        host=next((os.environ[name] for name in _HOST_VARIABLES if os.environ.get(name)), read.host).rstrip("/"),
        experiment=read.experiment or settings.experiment,
        store=read.store or settings.store,
        mlflow_tracking_uri=read.mlflow_tracking_uri or settings.tracking_uri,
        mlflow_experiment=read.mlflow_experiment or settings.experiment,
    )
    check_choice(f"{SECTION}.on_interrupt", made.on_interrupt, _WHENS)
    check_pause(f"{SECTION}.poll", made.poll)
    return made


def _pods(before: PodSettings, given: dict[str, Any], where: str, also: frozenset[str]) -> PodSettings:
    return read_section(before, given, where, also, texts=("env", "node_selector", "labels", "annotations"))
