"""The fake API server with real kubectl, and piece by piece without."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from intermodal.runtime.kubernetes_fake import Cluster, serving, write_kubeconfig
from intermodal.runtime.kubernetes_fake.server import FakeServer
from intermodal.runtime.manifests.checking import read_definitions
from manifests_at import OVERLAYS

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
POD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "main",
            "image": "intermodal/core",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(Cluster()) as running:
        yield running


@pytest.fixture(scope="module")
def definitions(crds: Path) -> list[dict[str, Any]]:
    return read_definitions(crds)


@pytest.fixture
def kubectl(definitions: list[dict[str, Any]], tmp_path: Path) -> Iterator[Kubectl]:
    """Real kubectl against a server that knows our custom kinds; skips where it is missing."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    with serving(Cluster(definitions)) as running:
        write_kubeconfig(tmp_path / "kubeconfig", running.url)
        environment = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path)}

        def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
            command = ["kubectl", *words]
            return subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, timeout=120)

        done = run("apply", "-f", "-", stdin=json.dumps(_object("v1", "Namespace", "kubeflow")))
        assert done.returncode == 0, done.stderr
        yield run


def test_every_overlay_is_applied_unchanged_and_deleted(kubectl: Kubectl, tree: Path) -> None:
    for name in OVERLAYS:
        folder = str(tree / name)
        applied = kubectl("apply", "-k", folder)
        assert applied.returncode == 0, applied.stderr
        assert kubectl("diff", "-k", folder).returncode == 0
        again = kubectl("apply", "-k", folder)
        touched = [line for line in again.stdout.splitlines() if not line.endswith(" unchanged")]
        # kubectl always patches a budget's selector, on a real cluster too.
        assert [line for line in touched if not line.startswith("poddisruptionbudget")] == []
        assert "mlflow" in kubectl("get", "deployments", "--all-namespaces").stdout
        if name == OVERLAYS[0]:
            gone = kubectl("delete", "-k", folder, "--timeout=60s")
            assert gone.returncode == 0, gone.stderr
            assert "mlflow" not in kubectl("get", "namespaces").stdout
    assert "torch-check" in kubectl("get", "trainjobs", "-n", "intermodal").stdout


def test_diff_shows_a_change_and_apply_takes_it(kubectl: Kubectl, tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "k8s"
    shutil.copytree(tree, copy)
    folder, path = str(copy / "overlays/eks"), copy / "base/mlflow/deployment.yaml"
    assert kubectl("apply", "-k", folder).returncode == 0
    path.write_text(
        path.read_text().replace("replicas: 2", "replicas: 3").replace("            - --serve-artifacts\n", "")
    )
    shown = kubectl("diff", "-k", folder)
    assert shown.returncode == 1
    assert "+  replicas: 3" in shown.stdout
    assert "-        - --serve-artifacts" in shown.stdout
    assert kubectl("apply", "-k", folder).returncode == 0
    made = json.loads(kubectl("get", "deployment", "mlflow", "-n", "mlflow", "-o", "json").stdout)
    assert made["spec"]["replicas"] == 3
    assert "--serve-artifacts" not in made["spec"]["template"]["spec"]["containers"][0]["args"]
    # Three-way merge by the containers' names, not by position.
    assert [item["name"] for item in made["spec"]["template"]["spec"]["containers"][0]["env"]][0] == "PGPASSWORD"


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"kind": "ConfigMap", "data": {"a": 1}}, "Invalid value|not of type|is invalid"),
        ({"kind": "ConfigMap", "dataa": {}}, 'unknown field "dataa"'),
        ({"kind": "ConfigMap", "metadata": {"name": "Upper"}}, "RFC 1123"),
        ({"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "nowhere"}}, 'namespaces "nowhere" not found'),
        ({"kind": "ConfigMapp"}, "no matches for kind"),
        ({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue", "spec": {"clusterQ": "x"}}, "unknown field"),
        ({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "spec": {}}, "runtimeRef"),
        ({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": "x"}}}}, "is invalid"),
    ],
)
def test_kubectl_is_told_what_is_wrong(kubectl: Kubectl, manifest: dict[str, Any], said: str) -> None:
    import re

    document = {"apiVersion": "v1", "metadata": {"name": "x", "namespace": "default"}, **manifest}
    for way in ([], ["--server-side"]):
        done = kubectl("apply", *way, "-f", "-", stdin=json.dumps(document))
        assert done.returncode != 0
        assert re.search(said, done.stderr), done.stderr


def test_server_side_apply_keeps_what_others_set(kubectl: Kubectl) -> None:
    def config(data: dict[str, str]) -> str:
        metadata = {"name": "shared", "namespace": "default"}
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    for manager, data in (("one", {"a": "1", "b": "1"}), ("two", {"c": "2"}), ("one", {"a": "3"})):
        done = kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=config(data))
        assert done.returncode == 0, done.stderr
    assert json.loads(kubectl("get", "cm", "shared", "-o", "json").stdout)["data"] == {"a": "3", "c": "2"}


def test_kubectl_waits_for_what_goes_away(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(_object("v1", "ConfigMap", "short-lived")))
    waiting: list[int] = []
    words = ("wait", "--for=delete", "configmap/short-lived", "--timeout=60s")
    thread = threading.Thread(target=lambda: waiting.append(kubectl(*words).returncode))
    thread.start()
    time.sleep(1)
    assert kubectl("delete", "configmap", "short-lived").returncode == 0
    thread.join()
    assert waiting == [0]


def test_pods_that_may_not_run_are_refused(server: FakeServer) -> None:
    _post(server, "/api/v1/namespaces", _object("v1", "Namespace", "closed", labels=RESTRICTED), 201)
    _post(server, "/api/v1/namespaces", _object("v1", "Namespace", "open"), 201)
    root = json.loads(json.dumps(POD))
    root["securityContext"]["runAsNonRoot"] = False
    for namespace, spec, code in (("closed", POD, 201), ("closed", root, 403), ("open", root, 201)):
        name = f"p{len(server.requests)}"
        answer = _post(
            server, f"/api/v1/namespaces/{namespace}/pods", {**_object("v1", "Pod", name), "spec": spec}, code
        )
        if code == 403:
            assert 'violates PodSecurity "restricted:latest": runAsNonRoot != true' in answer["message"]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": root}
    job = {**_object("batch/v1", "Job", "j"), "spec": {"template": {"spec": {**root, "restartPolicy": "Never"}}}}
    deployment = {
        **_object("apps/v1", "Deployment", "d"),
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    _post(server, "/apis/batch/v1/namespaces/closed/jobs", job, 403)
    _post(server, "/apis/apps/v1/namespaces/closed/deployments", deployment, 403)
    _post(server, "/apis/apps/v1/namespaces/open/deployments", deployment, 201)


def test_what_may_not_change_does_not(server: FakeServer) -> None:
    url = "/apis/apps/v1/namespaces/default/deployments"
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}}
    made = _post(server, url, {**_object("apps/v1", "Deployment", "d"), "spec": spec}, 201)
    changed = {**made, "spec": {**spec, "selector": {"matchLabels": {"a": "c"}}}}
    assert "immutable" in _send(server, "PUT", f"{url}/d", changed, 422)["message"]
    newer = _send(server, "PUT", f"{url}/d", {**made, "spec": {**spec, "replicas": 3}}, 200)
    stale = {**made, "spec": {**spec, "replicas": 4}}
    assert "has been modified" in _send(server, "PUT", f"{url}/d", stale, 409)["message"]
    same = _send(server, "PUT", f"{url}/d", newer, 200)
    assert same["metadata"]["resourceVersion"] == newer["metadata"]["resourceVersion"]
    _post(server, url, {**_object("apps/v1", "Deployment", "d"), "spec": spec}, 409)


@pytest.mark.parametrize(
    "body", [b"[1]", b"{", b'{"metadata": 1}', b'{"metadata": {"labels": 3, "name": "x"}}', b"\xff"]
)
def test_nonsense_is_answered_and_not_dropped(server: FakeServer, body: bytes) -> None:
    answer = requests.post(f"{server.url}/api/v1/namespaces/default/configmaps", data=body, timeout=10)
    assert answer.status_code in (400, 415, 422), answer.text
    assert answer.json()["kind"] == "Status"


def test_a_dry_run_changes_nothing(server: FakeServer) -> None:
    url = "/api/v1/namespaces/default/configmaps"
    _post(server, f"{url}?dryRun=All", _object("v1", "ConfigMap", "c"), 201)
    _send(server, "GET", f"{url}/c", None, 404)
    _post(server, f"{url}?dryRun=All", {**_object("v1", "ConfigMap", "c"), "dat": {}}, 400)


def test_a_namespace_takes_everything_with_it(server: FakeServer) -> None:
    _post(server, "/api/v1/namespaces", _object("v1", "Namespace", "n"), 201)
    _post(server, "/api/v1/namespaces/n/configmaps", _object("v1", "ConfigMap", "c"), 201)
    _send(server, "DELETE", "/api/v1/namespaces/n", None, 200)
    _post(server, "/api/v1/namespaces/n/configmaps", _object("v1", "ConfigMap", "late"), 403)
    deadline = time.monotonic() + 30
    while requests.get(f"{server.url}/api/v1/namespaces/n", timeout=10).status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert _send(server, "GET", "/api/v1/configmaps", None, 200)["items"] == []


def test_lists_are_selected_by_labels(server: FakeServer) -> None:
    url = "/api/v1/namespaces/default/configmaps"
    for name, labels in (("a", {"app": "x", "tier": "1"}), ("b", {"app": "x"}), ("c", {"app": "y"})):
        _post(server, url, _object("v1", "ConfigMap", name, labels=labels), 201)
    for selector, names in (
        ("app=x", ["a", "b"]),
        ("app==x,tier", ["a"]),
        ("app=x,!tier", ["b"]),
        ("app!=x", ["c"]),
        ("app in (x,y),tier notin (1)", ["b", "c"]),
    ):
        found = requests.get(f"{server.url}{url}", params={"labelSelector": selector}, timeout=10).json()["items"]
        assert [item["metadata"]["name"] for item in found] == names, selector
    _send(server, "GET", f"{url}?fieldSelector=spec.x%3D1", None, 400)
    _send(server, "DELETE", f"{url}?labelSelector=app%3Dx", None, 200)
    assert [item["metadata"]["name"] for item in _send(server, "GET", url, None, 200)["items"]] == ["c"]


def test_the_python_client_works_and_watches(server: FakeServer) -> None:
    client = pytest.importorskip("kubernetes.client")
    from kubernetes.watch import Watch

    core = client.CoreV1Api(client.ApiClient(client.Configuration(host=server.url)))
    seen: list[tuple[str, str]] = []

    def watch() -> None:
        for event in Watch().stream(core.list_namespaced_config_map, "default", timeout_seconds=20):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                return

    thread = threading.Thread(target=watch)
    thread.start()
    core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c")))
    core.patch_namespaced_config_map("c", "default", {"data": {"a": "1"}})
    assert core.read_namespaced_config_map("c", "default").data == {"a": "1"}
    core.delete_namespaced_config_map("c", "default")
    thread.join()
    assert seen == [("ADDED", "c"), ("MODIFIED", "c"), ("DELETED", "c")]


def test_the_verb_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    crds = Path(__file__).parent / "crds"
    command = [sys.executable, "-m", "intermodal", "kubernetes-fake", "--json", f"--crds={crds}"]
    process = subprocess.Popen([*command, f"--kubeconfig={tmp_path / 'config'}"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        url = json.loads(process.stdout.readline())["url"]
        kinds = requests.get(f"{url}/apis/kubeflow.org/v1", timeout=10).json()["resources"]
        assert [item["kind"] for item in kinds] == ["Profile"]
        assert url in (tmp_path / "config").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0


def _object(api_version: str, kind: str, name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


def _post(server: FakeServer, path: str, document: dict[str, Any], code: int) -> dict[str, Any]:
    return _send(server, "POST", path, document, code)


def _send(server: FakeServer, method: str, path: str, document: dict[str, Any] | None, code: int) -> dict[str, Any]:
    answer = requests.request(method, f"{server.url}{path}", json=document, timeout=30)
    assert answer.status_code == code, (method, path, answer.text)
    return dict(answer.json())
