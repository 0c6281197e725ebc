"""The kinds of object that a Kubernetes API server knows, and how each is addressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KUBERNETES = "1.32"

_BUILT_IN = """
v1 Namespace namespaces cluster ns
v1 Pod pods namespace po
v1 Service services namespace svc
v1 ConfigMap configmaps namespace cm
v1 Secret secrets namespace
v1 ServiceAccount serviceaccounts namespace sa
v1 PersistentVolumeClaim persistentvolumeclaims namespace pvc
v1 PersistentVolume persistentvolumes cluster pv
v1 ResourceQuota resourcequotas namespace quota
v1 LimitRange limitranges namespace limits
v1 Event events namespace ev
apps/v1 Deployment deployments namespace deploy
apps/v1 StatefulSet statefulsets namespace sts
apps/v1 DaemonSet daemonsets namespace ds
apps/v1 ReplicaSet replicasets namespace rs
batch/v1 Job jobs namespace
batch/v1 CronJob cronjobs namespace cj
autoscaling/v2 HorizontalPodAutoscaler horizontalpodautoscalers namespace hpa
policy/v1 PodDisruptionBudget poddisruptionbudgets namespace pdb
networking.k8s.io/v1 NetworkPolicy networkpolicies namespace netpol
networking.k8s.io/v1 Ingress ingresses namespace ing
rbac.authorization.k8s.io/v1 Role roles namespace
rbac.authorization.k8s.io/v1 RoleBinding rolebindings namespace
rbac.authorization.k8s.io/v1 ClusterRole clusterroles cluster
rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings cluster
scheduling.k8s.io/v1 PriorityClass priorityclasses cluster pc
storage.k8s.io/v1 StorageClass storageclasses cluster sc
coordination.k8s.io/v1 Lease leases namespace
apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions cluster crd
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy validatingadmissionpolicies cluster
"""


@dataclass(frozen=True)
class Kind:
    """One kind of object, at one version.

    Attributes:
        api_version: "v1", or "GROUP/VERSION".
        name: "Deployment".
        plural: "deployments", as it stands in URLs.
        namespaced: Whether its objects lie in namespaces.
        short: What people type: "deploy"; empty for none.
        schema: The strict JSON schema of a custom kind; empty for a built-in one, whose schema is looked up.
    """

    api_version: str
    name: str
    plural: str
    namespaced: bool
    short: str = ""
    schema: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]


def built_in_kinds() -> list[Kind]:
    """The kinds that every cluster has (those that manifests name; not every one there is)."""
    rows = [line.split() for line in _BUILT_IN.strip().splitlines()]
    return [Kind(row[0], row[1], row[2], row[3] == "namespace", "".join(row[4:])) for row in rows]


def custom_kinds(definition: dict[str, Any]) -> list[Kind]:
    """The kinds that a CustomResourceDefinition adds, one a served version.

    Args:
        definition: The CustomResourceDefinition, as parsed YAML.

    Returns:
        The kinds, with strict schemas: what the definition does not name is refused.
    """
    from intermodal.runtime.manifests.schemas import strict_schema

    spec, names = definition["spec"], definition["spec"]["names"]
    return [
        Kind(
            api_version=f"{spec['group']}/{version['name']}",
            name=names["kind"],
            plural=names["plural"],
            namespaced=spec["scope"] == "Namespaced",
            short=(names.get("shortNames") or [""])[0],
            schema=strict_schema(version["schema"]["openAPIV3Schema"]),
        )
        for version in spec["versions"]
        if version.get("served")
    ]
