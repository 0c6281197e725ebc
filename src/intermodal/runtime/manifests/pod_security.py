"""The Pod Security Standards: `baseline` and `restricted`, as Kubernetes's admission controller applies them.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intermodal.runtime.manifests.pod_templates import PodTemplate

ENFORCE = "pod-security.kubernetes.io/enforce"
LEVELS = ("privileged", "baseline", "restricted")
_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
_SECCOMP = ("RuntimeDefault", "Localhost")
_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
    )
)
_BASELINE_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)


def violations(pod: PodTemplate, level: str = "restricted") -> list[str]:
    """What a pod does that a level forbids.

    Args:
        pod: The pod.
        level: privileged (forbids nothing), baseline or restricted.

    Returns:
        Sentences, as the admission controller words them; none when the pod may run.
    """
    found: list[str] = []
    if level in ("baseline", "restricted"):
        found += _baseline(pod)
    if level == "restricted":
        found += _restricted(pod)
    return found


def _baseline(pod: PodTemplate) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(name):
            yield f"host namespaces ({name}=true)"
    for volume in pod.spec.get("volumes") or []:
        if "hostPath" in volume:
            yield f'hostPath volumes (volume "{volume["name"]}")'
    for sysctl in _context(pod.spec).get("sysctls") or []:
        if sysctl.get("name") not in _SYSCTLS:
            yield f'forbidden sysctls ("{sysctl.get("name")}")'
    if _context(pod.spec).get("seccompProfile", {}).get("type") == "Unconfined":
        yield 'seccompProfile (pod must not set seccompProfile type to "Unconfined")'
    for container in pod.containers():
        yield from _baseline_of_container(container)


def _baseline_of_container(container: dict[str, Any]) -> Iterator[str]:
    name, context = container["name"], _context(container)
    if context.get("privileged"):
        yield f'privileged (container "{name}" must not set securityContext.privileged=true)'
    added = set((context.get("capabilities") or {}).get("add") or [])
    if added - _BASELINE_CAPABILITIES:
        wrong = ", ".join(sorted(added - _BASELINE_CAPABILITIES))
        yield f'non-default capabilities (container "{name}" must not include {wrong} in capabilities.add)'
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield f'hostPort (container "{name}" uses a hostPort)'
    if context.get("procMount", "Default") != "Default":
        yield f'procMount (container "{name}" must not set procMount)'
    if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield f'seccompProfile (container "{name}" must not set seccompProfile type to "Unconfined")'


def _restricted(pod: PodTemplate) -> Iterator[str]:
    for volume in pod.spec.get("volumes") or []:
        kinds = [kind for kind in volume if kind != "name"]
        if any(kind not in _VOLUMES for kind in kinds):
            yield f'restricted volume types (volume "{volume["name"]}" uses {", ".join(kinds)})'
    if _context(pod.spec).get("runAsUser") == 0:
        yield "runAsUser=0 (pod must not set runAsUser=0)"
    for container in pod.containers():
        yield from _restricted_of_container(container, _context(pod.spec))


def _restricted_of_container(container: dict[str, Any], of_pod: dict[str, Any]) -> Iterator[str]:
    name, context = container["name"], _context(container)
    if context.get("allowPrivilegeEscalation") is not False:
        yield f'allowPrivilegeEscalation != false (container "{name}" must set it to false)'
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield f'unrestricted capabilities (container "{name}" must set capabilities.drop=["ALL"])'
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f'unrestricted capabilities (container "{name}" may add NET_BIND_SERVICE only)'
    if context.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield f'runAsNonRoot != true (container "{name}" or its pod must set runAsNonRoot=true)'
    if context.get("runAsUser") == 0:
        yield f'runAsUser=0 (container "{name}" must not set runAsUser=0)'
    seccomp = context.get("seccompProfile") or of_pod.get("seccompProfile") or {}
    if seccomp.get("type") not in _SECCOMP:
        yield f'seccompProfile (container "{name}" or its pod must set type to "RuntimeDefault" or "Localhost")'


def _context(of: dict[str, Any]) -> dict[str, Any]:
    return of.get("securityContext") or {}
