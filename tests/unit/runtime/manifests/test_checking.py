"""The rules over manifests, one broken object at a time; no kubectl, no cluster."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from intermodal.cli.main import main
from intermodal.errors import UsageError
from intermodal.runtime.manifests.checking import check, known_kinds, read_documents
from intermodal.runtime.manifests.kinds import Kind, built_in_kinds, custom_kinds
from intermodal.runtime.manifests.pinning import pinned, read_lock, rewrite
from intermodal.runtime.manifests.pod_security import violations
from intermodal.runtime.manifests.pod_templates import PodTemplate, pod_templates
from intermodal.runtime.manifests.policy import broken_rules
from intermodal.runtime.manifests.schemas import merge_key, problems_of, strict_schema

DIGEST = "sha256:" + "ab" * 32
CONTAINER: dict[str, Any] = {
    "name": "main",
    "image": f"registry.example/intermodal/core@{DIGEST}",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
}
SPEC: dict[str, Any] = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
}
POD: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": SPEC}


def _pod(path: str, value: Any) -> dict[str, Any]:
    """The good pod with one field set; a path through `main` is the container's."""
    made = copy.deepcopy(POD)
    node: Any = made["spec"]
    *parts, last = path.split(".")
    for part in parts:
        node = node["containers"][0] if part == "main" else node.setdefault(part, {})
    node[last] = value
    return made


def test_a_good_pod_passes() -> None:
    kinds = known_kinds()
    assert check([POD], kinds) == []


@pytest.mark.parametrize(
    ("path", "value", "level", "said"),
    [
        ("hostNetwork", True, "baseline", "host namespaces"),
        ("hostPID", True, "baseline", "host namespaces"),
        ("volumes", [{"name": "v", "hostPath": {"path": "/"}}], "baseline", "hostPath volumes"),
        ("main.securityContext.privileged", True, "baseline", "privileged"),
        ("main.securityContext.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "baseline", "SYS_ADMIN"),
        ("main.ports", [{"containerPort": 1, "hostPort": 1}], "baseline", "hostPort"),
        ("main.securityContext.procMount", "Unmasked", "baseline", "procMount"),
        ("main.securityContext.seccompProfile", {"type": "Unconfined"}, "baseline", "seccompProfile"),
        ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}], "baseline", "sysctls"),
        ("volumes", [{"name": "v", "nfs": {"server": "s", "path": "/"}}], "restricted", "restricted volume types"),
        ("main.securityContext.allowPrivilegeEscalation", True, "restricted", "allowPrivilegeEscalation"),
        ("main.securityContext.capabilities", {}, "restricted", "unrestricted capabilities"),
        (
            "main.securityContext.capabilities",
            {"drop": ["ALL"], "add": ["CHOWN"]},
            "restricted",
            "NET_BIND_SERVICE only",
        ),
        ("main.securityContext.runAsNonRoot", False, "restricted", "runAsNonRoot"),
        ("main.securityContext.runAsUser", 0, "restricted", "runAsUser=0"),
        ("securityContext.runAsUser", 0, "restricted", "runAsUser=0"),
        ("securityContext.seccompProfile", {}, "restricted", "seccompProfile"),
    ],
)
def test_each_rule_of_pod_security(path: str, value: Any, level: str, said: str) -> None:
    (pod,) = pod_templates(_pod(path, value))
    assert [sentence for sentence in violations(pod, "restricted") if said in sentence]
    assert bool(violations(pod, "baseline")) == (level == "baseline")
    assert violations(pod, "privileged") == []


def test_init_containers_are_held_to_the_same() -> None:
    made = _pod("initContainers", [{"name": "first", "image": "x"}])
    (pod,) = pod_templates(made)
    assert {sentence.split('"')[1] for sentence in violations(pod)} == {"first"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (_pod("main.resources", {}), "resources.limits.memory"),
        (_pod("main.image", "core:1.0"), "not by a digest"),
        (_pod("main.securityContext.readOnlyRootFilesystem", False), "root file system"),
        (_pod("automountServiceAccountToken", True), "token is mounted"),
        (_pod("main.env", [{"name": "DB_PASSWORD", "value": "hunter2"}]), "DB_PASSWORD in plain sight"),
        (_pod("main.args", ["--uri=postgresql://u:p@h/d"]), "password in its command line"),
        ({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"uri": "http://u:p@h"}}, "looks like a secret"),
        ({"kind": "Service", "metadata": {"name": "s"}, "spec": {"type": "NodePort"}}, "NodePort"),
        ({"kind": "Role", "metadata": {"name": "r"}, "rules": [{"resources": ["*"], "verbs": ["get"]}]}, "wildcard"),
        ({"kind": "Role", "metadata": {"name": "r"}, "rules": [{"resources": ["roles"], "verbs": ["bind"]}]}, "bind"),
        (
            {"kind": "Role", "metadata": {"name": "r"}, "rules": [{"resources": ["secrets"], "verbs": ["get"]}]},
            "every secret",
        ),
        (
            {"kind": "Role", "metadata": {"name": "r"}, "rules": [{"resources": ["pods/exec"], "verbs": ["create"]}]},
            "shell",
        ),
        ({"kind": "RoleBinding", "metadata": {"name": "b"}, "roleRef": {"name": "cluster-admin"}}, "more than"),
        (
            {
                "kind": "RoleBinding",
                "metadata": {"name": "b"},
                "roleRef": {"name": "r"},
                "subjects": [{"kind": "Group", "name": "system:authenticated"}],
            },
            "everybody",
        ),
        ({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}, "nobody's namespace"),
        (
            {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": SPEC}}},
            "no livenessProbe",
        ),
    ],
)
def test_each_rule_of_the_policy(document: dict[str, Any], said: str) -> None:
    assert [sentence for sentence in broken_rules(document) if said in sentence]


def test_a_reference_is_no_secret_in_plain_sight() -> None:
    by_reference = [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert broken_rules(_pod("main.env", by_reference)) == []


def test_pods_are_found_wherever_they_are() -> None:
    job = {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": SPEC}}}}}
    runtime = {
        "kind": "X",
        "spec": {"template": {"spec": {"replicatedJobs": [{"template": {"spec": {"template": {"spec": SPEC}}}}]}}},
    }
    spark = {"kind": "SparkApplication", "spec": {"image": "i", "driver": {"memory": "1g"}, "executor": {}}}
    assert [pod.where for pod in pod_templates(job)] == ["spec.jobTemplate.spec.template.spec"]
    assert [pod.where for pod in pod_templates(runtime)] == [
        "spec.template.spec.replicatedJobs[0].template.spec.template.spec"
    ]
    assert [pod.where for pod in pod_templates(spark)] == ["spec.driver", "spec.executor"]
    assert isinstance(pod_templates(spark)[0], PodTemplate)


def test_unknown_fields_are_problems_at_any_depth() -> None:
    (pod,) = [kind for kind in built_in_kinds() if kind.name == "Pod"]
    assert problems_of(POD, pod) == []
    assert problems_of(_pod("main.imagePullPolice", "Always"), pod) == [
        'unknown field "spec.containers[0].imagePullPolice"'
    ]
    assert "spec.hostNetwork" in problems_of(_pod("hostNetwork", "yes"), pod)[0]


def test_every_built_in_kind_has_its_schema() -> None:
    for kind in built_in_kinds():
        document = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": "x"}, "nonsense": 1}
        assert 'unknown field "nonsense"' in problems_of(document, kind)


def test_lists_are_merged_by_the_keys_of_the_schemas() -> None:
    kinds = {kind.name: kind for kind in built_in_kinds()}
    in_pod = ("spec", "template", "spec")
    assert merge_key(kinds["Deployment"], (*in_pod, "containers")) == "name"
    assert merge_key(kinds["Deployment"], (*in_pod, "containers", "env")) == "name"
    assert merge_key(kinds["Deployment"], (*in_pod, "containers", "volumeMounts")) == "mountPath"
    assert merge_key(kinds["Deployment"], (*in_pod, "containers", "args")) == ""
    assert merge_key(kinds["Service"], ("spec", "ports")) == "port"


def test_definitions_become_strict() -> None:
    given = {
        "type": "object",
        "properties": {
            "port": {"x-kubernetes-int-or-string": True},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "maybe": {"type": "string", "nullable": True},
            "description": {"type": "string", "description": "a field of that name"},
        },
    }
    made = strict_schema(given)
    assert made["additionalProperties"] is False
    assert made["properties"]["port"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert "additionalProperties" not in made["properties"]["free"]
    assert made["properties"]["maybe"]["type"] == ["string", "null"]
    assert made["properties"]["description"] == {"type": "string"}
    assert "additionalProperties" not in given


def test_two_definitions_of_one_kind_do_not_mix() -> None:
    def kind(field: str) -> Kind:
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {field: {"type": "string"}}}},
        }
        version = {"name": "v1", "served": True, "schema": {"openAPIV3Schema": schema}}
        names = {"kind": "Thing", "plural": "things"}
        return custom_kinds(
            {"spec": {"group": "example.org", "names": names, "scope": "Cluster", "versions": [version]}}
        )[0]

    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {"a": "1"}}
    assert problems_of(thing, kind("a")) == []
    assert problems_of(thing, kind("b")) == ['unknown field "spec.a"']


def test_missing_schemas_are_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "kubernetes_validate", None)
    with pytest.raises(UsageError) as raised:
        check([POD], known_kinds())
    assert "intermodal[manifests]" in raised.value.next_step


def test_what_is_no_manifest_is_said_so() -> None:
    with pytest.raises(UsageError, match="not YAML"):
        read_documents("a: [")
    with pytest.raises(UsageError, match="no object"):
        read_documents("just: text")
    assert read_documents("---\n---\n") == []


def test_the_verb_finds_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(POD))
    bad.write_text(yaml.safe_dump(_pod("main.image", "core:latest")))
    assert main(["manifests", "check", str(good)]) == 0
    assert "1 objects, no findings" in capsys.readouterr().out
    assert main(["manifests", "check", "--json", str(tmp_path)]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["objects"], [item["check"] for item in answer["findings"]]) == (2, ["policy"])
    assert main(["manifests", "check", str(tmp_path / "none")]) == 2


def test_digests_come_from_the_lock_and_from_registries(tmp_path: Path) -> None:
    path = tmp_path / "kustomization.yaml"
    images = [
        {"name": name, "newName": "old", "digest": "old"}
        for name in ("intermodal/core", "intermodal/torch", "postgres")
    ]
    path.write_text("# why\n# more\n" + yaml.safe_dump({"kind": "Component", "images": images}))
    lock = {"core": f"registry.example/intermodal/core@{DIGEST}"}
    asked: list[str] = []

    def resolve(reference: str) -> str:
        asked.append(reference)
        return DIGEST

    others = {"postgres": "docker.io/library/postgres:17"}
    rewrite(path, pinned(yaml.safe_load(path.read_text()), lock, others, resolve))
    assert path.read_text().startswith("# why\n# more\n")
    core, torch, postgres = yaml.safe_load(path.read_text())["images"]
    assert (core["newName"], core["digest"]) == ("registry.example/intermodal/core", DIGEST)
    assert torch == images[1]
    assert (postgres["newName"], postgres["digest"]) == ("docker.io/library/postgres", DIGEST)
    assert asked == ["docker.io/library/postgres:17"]
    with pytest.raises(UsageError, match="no digest for core"):
        pinned({"images": []}, {"core": "intermodal/core:0.1.0"}, {}, resolve)


def test_the_verb_pins_what_the_lock_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Path(__file__).parents[4] / "k8s/components/images/kustomization.yaml"
    path, lock = tmp_path / "kustomization.yaml", tmp_path / "images.lock.json"
    path.write_text(source.read_text())
    assert main(["manifests", "pin", f"--file={path}", f"--lock={lock}"]) == 2
    lock.write_text(json.dumps({"mlflow": f"localhost:5001/intermodal/mlflow@{DIGEST}"}))
    assert read_lock(lock)
    assert main(["manifests", "pin", f"--file={path}", f"--lock={lock}"]) == 0
    assert f"localhost:5001/intermodal/mlflow@{DIGEST}" in capsys.readouterr().out
    found = {item["name"]: item for item in yaml.safe_load(path.read_text())["images"]}
    assert found["intermodal/mlflow"]["newName"] == "localhost:5001/intermodal/mlflow"
    assert (
        found["intermodal/torch"]
        == {item["name"]: item for item in yaml.safe_load(source.read_text())["images"]}["intermodal/torch"]
    )
