"""Steps in containers of their image, built from components/Dockerfile; skips where no engine answers."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_engine import ROOT, docker
from free_ports import free_port
from launching import intermodal
from projects import until

pytestmark = pytest.mark.timeout(2400)  # building an image on a new machine takes minutes

PIPELINE = """
from kfp import dsl
from intermodal import component

generate, ingest, validate = component("generate"), component("ingest"), component("validate")

@dsl.pipeline(name="contained")
def contained(source: str = "", rows: int = 500):
    raw = generate(rows=rows, unless=source)
    made = ingest(raw=raw.outputs["raw"], source=source)
    validate(reviews=made.outputs["reviews"])
"""


def test_artifacts_equal_those_of_the_subprocess_run(engine: str, core_image: str, home: Path, tmp_path: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    here = intermodal("run", "contained.py", "--json")
    inside = intermodal(
        "run",
        "contained.py",
        "--containers",
        "--no-cache",
        "--json",
        DOCKER_HOST=engine,
        INTERMODAL_HOME=str(tmp_path / "c"),
    )
    assert inside.code == 0, inside.err[-3000:]
    assert inside.json["mode"] == "container"
    digests = {name: item["digest"] for name, item in here.json["artifacts"].items()}
    assert {name: item["digest"] for name, item in inside.json["artifacts"].items()} == digests


def test_a_container_goes_on_with_what_a_process_made(engine: str, core_image: str, home: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    assert intermodal("run", "contained.py").code == 0
    again = intermodal("run", "contained.py", "--containers", "--json", DOCKER_HOST=engine)
    assert {task["state"] for task in again.json["tasks"]} == {"CACHED"}


def test_local_data_reaches_the_container_and_bad_data_is_told(engine: str, core_image: str, home: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    Path("reviews.tsv").write_text("marketplace\tcustomer_id\nUS\t1\n")
    answer = intermodal("run", "contained.py", "-p", "source=reviews.tsv", "--containers", "--json", DOCKER_HOST=engine)
    assert answer.code == 3, answer.err[-2000:]
    assert answer.json["error"]["kind"] == "DataRejected"


def test_no_engine_and_no_image_are_clear_errors(home: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    answer = intermodal("run", "contained.py", "--containers", DOCKER_HOST="unix:///nowhere.sock")
    assert answer.code == 5
    assert "no container engine answers" in answer.err


def test_an_image_is_not_root_has_no_pip_and_says_where_it_comes_from(engine: str, core_image: str) -> None:
    (fields,) = json.loads(docker(engine, "image", "inspect", core_image).stdout)
    config = fields["Config"]
    assert config["User"] == "1000"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert labels["org.opencontainers.image.title"] == "intermodal/core"
    look = "import importlib.util as u, shutil, os; print(u.find_spec('pip'), shutil.which('gcc'), os.getuid())"
    told = docker(engine, "run", "--rm", core_image, "python3", "-c", look)
    assert told.stdout.split() == ["None", "None", "1000"], told.stderr
    caches = docker(engine, "run", "--rm", core_image, "sh", "-c", "ls -A /root/.cache /build /var/lib/apt/lists 2>&1")
    assert "whl" not in caches.stdout


def test_a_task_runs_on_a_read_only_root_without_rights(engine: str, core_image: str, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir(mode=0o777)
    outputs.chmod(0o777)
    given = {
        "inputs": {"parameterValues": {"rows": 50}},
        "outputs": {
            "artifacts": {
                name: {"artifacts": [{"name": name, "type": {"schemaTitle": kind}, "uri": f"minio://b/p/{name}"}]}
                for name, kind in (("raw", "system.Dataset"), ("metrics", "system.Metrics"))
            },
            "outputFile": "/tmp/kfp_outputs/output_metadata.json",
        },
    }
    safe = ["--read-only", "--tmpfs", "/tmp:mode=1777", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    words = ["run", "--rm", "--network=none", *safe, "-v", f"{outputs}:/minio/b/p", core_image]
    task = ["python3", "-m", "intermodal", "task", "--step", "generate", "--executor_input", json.dumps(given)]
    done = docker(engine, *words, *task)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (outputs / "raw" / "manifest.json").is_file()
    assert (outputs / "metrics").is_file()


@pytest.mark.timeout(2400)
def test_the_compiled_flagship_in_containers_equals_the_subprocess_run(
    engine: str, torch_image: str, home: Path, tmp_path: Path
) -> None:
    compiled = str(ROOT / "pipelines" / "compiled" / "reviews.yaml")
    words = ["run", compiled, "-p", "rows=2000", "--json"]
    mlflow = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    here = intermodal(*words, **mlflow)
    assert here.code == 0, here.err[-3000:]
    own = {"DOCKER_HOST": engine, "INTERMODAL_HOME": str(tmp_path / "c")}
    own["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path}/c/mlflow.db"
    inside = intermodal(*words, "--containers", **own)
    assert inside.code == 0, inside.err[-3000:]
    digests = {name: item["digest"] for name, item in here.json["artifacts"].items()}
    found = {name: item["digest"] for name, item in inside.json["artifacts"].items()}
    assert set(found) == set(digests)
    deterministic = [name for name in digests if name.split(".")[0] in ("generate", "ingest", "validate", "featurize")]
    assert len(deterministic) >= 8
    assert {name: found[name] for name in deterministic} == {name: digests[name] for name in deterministic}
    # Same weights from the same seed, but another build of the same library may round otherwise.
    for name in ("evaluate.accuracy", "evaluate-2.accuracy"):
        assert abs(here.json["metrics"][name] - inside.json["metrics"][name]) <= 0.05, name
    assert inside.json["registered_model"]["version"] == here.json["registered_model"]["version"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real registry of Debian's, on loopback."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry on this machine (setup/debian-packages installs it)")
    port = free_port()
    address = f"127.0.0.1:{port}"
    settings = {"filesystem": {"rootdirectory": str(tmp_path / "registry")}, "delete": {"enabled": True}}
    config = tmp_path / "registry.json"  # YAML holds JSON
    config.write_text(json.dumps({"version": 0.1, "storage": settings, "http": {"addr": address}}))
    process = subprocess.Popen([program, "serve", str(config)], stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    until(answers)
    yield address
    process.terminate()
    process.wait(60)


def test_pushed_images_are_known_by_digest_and_compiled_in(
    engine: str, core_image: str, registry: str, home: Path
) -> None:
    words = {"DOCKER_HOST": engine, "DOCKER_BUILDKIT": "0"}
    tag = core_image.rpartition(":")[2]
    before = intermodal("images", "digest", "core", "--registry", "127.0.0.1:1", "--tag", tag, **words)
    assert (before.code, "not on this machine" in before.err) == (2, True)
    pushed = intermodal("images", "push", "core", "--registry", registry, "--tag", tag, "--json", **words)
    assert pushed.code == 0, pushed.err[-2000:]
    (image,) = pushed.json["images"]
    assert image["digest"].startswith(f"{registry}/intermodal/core@sha256:")
    assert json.loads(Path("images.lock.json").read_text()) == {"core": image["digest"]}
    asked = intermodal("images", "digest", "core", "--registry", registry, "--tag", tag, "--json", **words)
    assert asked.json["images"] == pushed.json["images"]
    Path("contained.py").write_text(PIPELINE)
    assert intermodal("compile", "contained.py", "-o", "contained.yaml").code == 0
    assert Path("contained.yaml").read_text().count(image["digest"]) == 3
    docker(engine, "rmi", image["reference"])
