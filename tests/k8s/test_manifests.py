"""Every manifest: schema, Pod Security, policy; and what the parts say of one another."""

from __future__ import annotations

import base64
import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from intermodal.core.config import load_settings
from intermodal.runtime.kubeflow.settings import kubeflow_settings
from intermodal.runtime.manifests.checking import check, known_kinds, name_of, read_documents
from intermodal.runtime.manifests.kinds import Kind
from intermodal.runtime.manifests.pod_templates import pod_templates
from manifests_at import OVERLAYS, ROOT, Rendered, environment, find

Kinds = dict[tuple[str, str], Kind]


@pytest.fixture(scope="module")
def kinds(crds: Path) -> Kinds:
    return known_kinds(crds)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_nothing_is_wrong_but_that_images_have_no_digest_yet(folder: str, rendered: Rendered, kinds: Kinds) -> None:
    documents = rendered[folder]
    assert check(documents, kinds, pinned=False) == []
    assert {finding.check for finding in check(documents, kinds)} == {"image"}


@pytest.mark.parametrize("variant", ["irsa", "pod-identity"])
def test_both_ways_to_a_role_are_right(variant: str, tree: Path, kinds: Kinds, tmp_path: Path) -> None:
    import shutil

    copy_of = tmp_path / "k8s"
    shutil.copytree(tree, copy_of)
    path = copy_of / "overlays/eks/kustomization.yaml"
    path.write_text(re.sub(r"  - ../../components/irsa.*", f"  - ../../components/{variant}", path.read_text()))
    done = subprocess.run(["kubectl", "kustomize", path.parent], capture_output=True, text=True, check=True)
    documents = read_documents(done.stdout)
    assert check(documents, kinds, pinned=False) == []
    accounts = [item for item in documents if item["kind"] == "ServiceAccount"]
    with_role = {item["metadata"]["name"] for item in accounts if item["metadata"].get("annotations")}
    agents = [item for item in documents if item["metadata"]["name"].startswith("pod-identity-agent")]
    irsa = {"mlflow", "intermodal-runner", "intermodal-training", "intermodal-spark"}
    assert (with_role, len(agents)) == ((irsa, 0) if variant == "irsa" else (set(), 3))


_BREAKAGES: dict[str, tuple[str, str, str, Any, str]] = {
    "typo": ("Deployment", "mlflow", "spec.replicaz", 2, "schema"),
    "type": ("Deployment", "mlflow", "spec.replicas", "two", "schema"),
    "root": ("Deployment", "mlflow", "spec.template.spec.securityContext.runAsNonRoot", False, "pod-security"),
    "host": ("Deployment", "mlflow", "spec.template.spec.hostNetwork", True, "pod-security"),
    "token": ("Deployment", "mlflow", "spec.template.spec.automountServiceAccountToken", True, "policy"),
    "wildcard": ("Role", "intermodal-runner", "rules.0.verbs", ["*"], "policy"),
    "all secrets": ("Role", "intermodal-runner", "rules.5.resourceNames", [], "policy"),
    "open service": ("Service", "mlflow", "spec.type", "LoadBalancer", "policy"),
    "open namespace": ("NetworkPolicy", "default-deny", "spec.ingress", [{}], "isolation"),
    "tag": ("Deployment", "mlflow", "spec.template.spec.containers.0.image", "intermodal/mlflow:latest", "policy"),
    "secret": (
        "Deployment",
        "mlflow",
        "spec.template.spec.containers.0.env.0",
        {"name": "PGPASSWORD", "value": "x"},
        "policy",
    ),
    "queue typo": ("ClusterQueue", "intermodal", "spec.queueingStrategie", "StrictFIFO", "schema"),
    "queue value": ("ClusterQueue", "intermodal", "spec.queueingStrategy", "Random", "schema"),
    "runtime typo": ("TrainingRuntime", "intermodal-torch", "spec.mlPolicy.torch.numProcPerNode", 1, "schema"),
    "runtime as root": (
        "TrainingRuntime",
        "intermodal-torch",
        "spec.template.spec.replicatedJobs.0.template.spec.template.spec.containers.0.securityContext.runAsUser",
        0,
        "pod-security",
    ),
}


@pytest.mark.parametrize("case", _BREAKAGES)
def test_what_a_hurried_hand_breaks_is_found(case: str, rendered: Rendered, kinds: Kinds) -> None:
    kind, name, path, value, expected = _BREAKAGES[case]
    documents = copy.deepcopy(rendered["overlays/eks"])
    broken = next(item for item in documents if (item["kind"], item["metadata"]["name"]) == (kind, name))
    _set(broken, path.split("."), value)
    found = check(documents, kinds, pinned=False)
    assert expected in {finding.check for finding in found}, found


def test_every_reference_leads_somewhere(rendered: Rendered) -> None:
    """Accounts, ConfigMaps, Secrets and roles that are named exist, or are said to come from outside."""
    outside = {  # the README says how they get there
        ("Secret", "mlflow", "mlflow-database"),
        ("Secret", "mlflow", "mlflow-admin"),
        ("Secret", "mlflow", "mlflow-pipelines"),
        ("ConfigMap", "mlflow", "rds-ca"),
    }
    for folder in ("overlays/local", "overlays/eks"):
        documents = rendered[folder]
        there = {(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in documents}
        missing = {reference for item in documents for reference in _references(item)} - there
        assert missing <= (outside if folder == "overlays/eks" else set()), folder


def test_network_policies_name_pods_that_exist(rendered: Rendered) -> None:
    """A misspelt label in a policy is a door that nobody can see."""
    from_kubeflow = [{"k8s-app": "kube-dns"}]
    for folder in ("overlays/local", "overlays/eks"):
        documents = rendered[folder]
        labels = [pod.labels for item in documents for pod in pod_templates(item)]
        for policy in (item for item in documents if item["kind"] == "NetworkPolicy"):
            for selector in _selectors(policy["spec"]):
                wanted = selector.get("matchLabels", {})
                known = wanted in from_kubeflow or any(wanted.items() <= have.items() for have in labels)
                assert known, (folder, name_of(policy), wanted)


def test_no_password_is_committed(rendered: Rendered) -> None:
    tracked = subprocess.run(["git", "ls-files", "k8s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "secrets/" not in tracked
    values = [
        base64.b64decode(value).decode()
        for item in rendered["overlays/local"]
        for value in item.get("data", {}).values()
        if item["kind"] == "Secret"
    ]
    passwords = [value for value in values if len(value) == 32]
    assert len(set(passwords)) >= 5
    assert all(re.fullmatch(r"[A-Za-z0-9]{32}", value) for value in passwords)
    assert not [item for item in rendered["overlays/eks"] if item["kind"] == "Secret"]


def test_the_local_secrets_are_made_once(tree: Path) -> None:
    folder = tree / "overlays/local/secrets"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run([tree / "overlays/local/make-secrets"], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}


def test_settings_of_the_cluster_reach_every_place(tree: Path, tmp_path: Path) -> None:
    import shutil

    copy_of = tmp_path / "k8s"
    shutil.copytree(tree, copy_of)
    path = copy_of / "overlays/eks/settings.env"
    text = path.read_text().replace("111122223333", "999900001111").replace("eu-central-1", "us-west-2")
    path.write_text(
        text.replace("intermodal.example.us-west-2.rds.amazonaws.com", "db.internal").replace("10.20.", "10.77.")
    )
    done = subprocess.run(["kubectl", "kustomize", path.parent], capture_output=True, text=True, check=True)
    assert not re.search(r"111122223333|eu-central-1|10\.20\.|replaced", done.stdout)
    documents = read_documents(done.stdout)
    settings = find(documents, "ConfigMap", "mlflow-settings")["data"]
    assert (settings["PGHOST"], settings["AWS_DEFAULT_REGION"]) == ("db.internal", "us-west-2")
    launcher = find(documents, "ConfigMap", "kfp-launcher")["data"]
    assert launcher["defaultPipelineRoot"] == "s3://intermodal-999900001111/kfp"
    assert yaml.safe_load(launcher["providers"])["s3"]["default"]["credentials"] == {"fromEnv": True}
    assert set(json.loads(launcher["plugins.mlflow"])["settings"]) == {  # all that KFP takes from a namespace
        "defaultExperimentName",
        "injectUserEnvVars",
        "credentialSecretRef",
    }
    before = subprocess.run(["kubectl", "kustomize", tree / "overlays/eks"], capture_output=True, text=True, check=True)
    names = [
        find(read_documents(text), "ConfigMap", "mlflow-settings")["metadata"]["name"]
        for text in (before.stdout, done.stdout)
    ]
    assert names[0] != names[1]  # so the server is rolled over


def test_the_launcher_reads_the_secret_that_exists(rendered: Rendered) -> None:
    documents = rendered["overlays/local"]
    providers = yaml.safe_load(find(documents, "ConfigMap", "kfp-launcher")["data"]["providers"])
    reference = providers["s3"]["default"]["credentials"]["secretRef"]
    secret = find(documents, "Secret", reference["secretName"], "kubeflow")["data"]
    assert {reference["accessKeyKey"], reference["secretKeyKey"]} == set(secret)
    rules = find(documents, "Role", "intermodal-runner")["rules"]
    assert [rule["resourceNames"] for rule in rules if rule["resources"] == ["secrets"]] == [[reference["secretName"]]]


def test_the_readme_s_settings_name_what_the_overlay_makes(rendered: Rendered, tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "k8s/README.md").read_text(), re.DOTALL)
    (tmp_path / "intermodal.toml").write_text(block)
    settings = kubeflow_settings(load_settings(tmp_path))
    documents = rendered["overlays/local"]
    assert find(documents, "ServiceAccount", settings.service_account, "kubeflow")
    for secret in settings.pods.secrets:
        assert set(find(documents, "Secret", secret["name"], "kubeflow")["data"]) == set(secret["env"])
    host = settings.pods.env["AWS_ENDPOINT_URL"].removeprefix("http://")
    service = find(documents, "Service", "seaweedfs")
    assert host == f"seaweedfs.{service['metadata']['namespace']}:{service['spec']['ports'][0]['port']}"
    allowed = find(documents, "ConfigMap", "mlflow-settings")["data"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert settings.mlflow_tracking_uri.removeprefix("http://") in allowed


@pytest.mark.parametrize("index", [0, 1])
def test_tf_config_says_who_the_workers_are_and_which_one_this_is(index: int, rendered: Rendered) -> None:
    runtime = find(rendered["overlays/eks"], "TrainingRuntime", "intermodal-tensorflow")
    (pod,) = pod_templates(runtime)
    (container,) = pod.spec["containers"]
    labels = {"jobset.sigs.k8s.io/jobset-name": "job", "batch.kubernetes.io/job-completion-index": str(index)}
    for item in container["env"]:
        if "fieldRef" in item.get("valueFrom", {}):
            item["value"] = labels[re.search(r"'(.+)'", item["valueFrom"]["fieldRef"]["fieldPath"])[1]]  # type: ignore[index]
    config = json.loads(
        environment([], {"env": [{k: v for k, v in item.items() if k != "valueFrom"} for item in container["env"]]})[
            "TF_CONFIG"
        ]
    )
    assert config["cluster"]["worker"] == ["job-node-0-0.job:2222", "job-node-0-1.job:2222"]
    assert config["task"] == {"type": "worker", "index": index}
    assert len(config["cluster"]["worker"]) == runtime["spec"]["mlPolicy"]["numNodes"]
    assert [port["containerPort"] for port in container["ports"]] == [2222]


def test_torchrun_s_check_finds_every_rank(rendered: Rendered, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = tmp_path / "allreduce.py"
    script.write_text(find(rendered["overlays/eks"], "ConfigMap", "intermodal-torch-check")["data"]["allreduce.py"])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(done.stdout.splitlines()) == [f"rank {rank} of 2: all ranks found one another" for rank in (0, 1)]


def test_sparks_rules_are_those_of_the_data(rendered: Rendered, tmp_path: Path) -> None:
    """The script's judgement on its own; Spark itself is not started here."""
    text = find(rendered["overlays/eks"], "ConfigMap", "intermodal-spark-validate")["data"]["spark_validate.py"]
    pytest.importorskip("pyspark")
    names: dict[str, Any] = {"__name__": "spark_validate"}
    exec(compile(text, "spark_validate.py", "exec"), names)
    good = {
        "rows": 3,
        "distinct_ids": 3,
        "missing_review_id": 0,
        "missing_star_rating": 0,
        "missing_review_body": 0,
        "impossible_ratings": 0,
    }
    assert names["broken_rules"](good) == []
    assert names["broken_rules"]({**good, "distinct_ids": 2}) == ["1 review ids appear again"]
    assert names["broken_rules"]({**good, "rows": 0, "distinct_ids": 0}) == ["there are no rows"]
    assert names["broken_rules"]({**good, "missing_review_body": 2}) == ["review_body is missing in 2 rows"]


def test_jobs_and_runtimes_agree(rendered: Rendered) -> None:
    there = {item["metadata"]["name"] for item in rendered["overlays/eks"] if item["kind"] == "TrainingRuntime"}
    queues = {item["metadata"]["name"] for item in rendered["overlays/eks"] if item["kind"] == "LocalQueue"}
    for job in (item for item in rendered["training/examples"] if item["kind"] == "TrainJob"):
        assert job["spec"]["runtimeRef"]["name"] in there
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] in queues


def _set(node: Any, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        node = node[int(part)] if part.isdigit() else node.setdefault(part, {})
    node[int(path[-1]) if path[-1].isdigit() else path[-1]] = value


def _references(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    namespace = document["metadata"].get("namespace", "")
    found: set[tuple[str, str, str]] = set()
    for subject in document.get("subjects", []):
        if subject["kind"] == "ServiceAccount":
            found.add(("ServiceAccount", subject["namespace"], subject["name"]))
    if "roleRef" in document:
        found.add((document["roleRef"]["kind"], namespace, document["roleRef"]["name"]))
    for pod in pod_templates(document):
        if pod.spec.get("serviceAccountName"):
            found.add(("ServiceAccount", namespace, pod.spec["serviceAccountName"]))
        for volume in pod.spec.get("volumes", []):
            found |= {("ConfigMap", namespace, volume["configMap"]["name"])} if "configMap" in volume else set()
            found |= {("Secret", namespace, volume["secret"]["secretName"])} if "secret" in volume else set()
        for container in pod.containers():
            found |= {("ConfigMap", namespace, item["configMapRef"]["name"]) for item in container.get("envFrom", [])}
            keys = [item["valueFrom"] for item in container.get("env", []) if "valueFrom" in item]
            found |= {("Secret", namespace, item["secretKeyRef"]["name"]) for item in keys if "secretKeyRef" in item}
    return found


def _selectors(spec: dict[str, Any]) -> list[dict[str, Any]]:
    peers = [peer for rule in spec.get("ingress", []) for peer in rule.get("from", [])]
    peers += [peer for rule in spec.get("egress", []) for peer in rule.get("to", [])]
    found = [spec["podSelector"], *(peer["podSelector"] for peer in peers if "podSelector" in peer)]
    return [selector for selector in found if selector.get("matchLabels")]
