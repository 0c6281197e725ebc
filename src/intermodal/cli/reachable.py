"""Whether what lies outside answers: the container engine, the store, the tracking server.

Each check returns (what is well, what is wrong, what to type), and none waits longer than a few seconds.
"""

from __future__ import annotations

import os
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from intermodal.core.config import Settings
from intermodal.errors import IntermodalError

Answer = tuple[str, str, str]
_TIMEOUT = 2.0  # seconds


def engine() -> Answer:
    """Whether a container engine answers, and has an image for steps."""
    import docker

    from intermodal.core.component import image_of

    image = image_of("core")
    try:
        client = docker.from_env(timeout=int(_TIMEOUT))
        client.ping()
        version = f"engine {client.version()['Version']}"
    except Exception as error:  # docker-py raises its own errors, requests' and urllib3's
        return _no_engine(str(error))
    try:
        client.images.get(image)
    except Exception:  # whatever the engine answers, the image cannot be used
        build = f"docker build -f components/Dockerfile --target core -t {image} ."
        return "", f"{version} answers, but there is no image {image}", build
    finally:
        client.close()
    return f"{version}, image {image}", "", ""


def _no_engine(cause: str) -> Answer:
    place = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if "Permission denied" in cause:
        return "", f"{place} is not for this user", "sudo usermod -aG docker $USER, then log in again"
    if shutil.which("dockerd"):
        return "", f"no container engine answers at {place}", "start it: systemctl start docker, or dockerd"
    return "", f"no container engine answers at {place}", "apt-get install -y docker.io"


def unwritable(path: Path) -> str:
    """The nearest place that exists at or above a path, if this user cannot write there; else empty."""
    place = next(item for item in (path, *path.parents) if item.exists())
    usable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return "" if usable or (place == path and place.is_file() and os.access(place, os.W_OK)) else str(place)


def store(root: str) -> Answer:
    """Whether the artifact store can be used."""
    if root.startswith("s3://"):
        return _bucket(root)
    wrong = unwritable(Path(root)) or (root if Path(root).is_file() else "")
    return root, f"{wrong} cannot be written" if wrong else "", "export INTERMODAL_STORE=DIRECTORY"


def kubeflow(settings: Settings) -> Answer:
    """Whether a Kubeflow Pipelines server answers, and lets us in."""
    from intermodal.runtime.kubeflow.patience import Lost, Patience
    from intermodal.runtime.kubeflow.render import check_reachable
    from intermodal.runtime.kubeflow.server import Server
    from intermodal.runtime.kubeflow.settings import kubeflow_settings

    host = ""
    try:
        asked = kubeflow_settings(settings)
        host = asked.host
        server = Server(asked, Patience(_TIMEOUT, host))
        check_reachable(asked)
        multi_user = server.health().multi_user
    except IntermodalError as error:
        return "", f"{error.headline}{f': {error.seen}' if error.seen else ''}", error.next_step or error.expected
    except Lost as lost:
        return "", f"{host} does not answer ({_first_line(lost)})", "check [kubeflow] host, or a port-forward to it"
    if multi_user and not asked.namespace:
        return "", f"{host} has namespaces, and none is named", '[kubeflow] namespace = "…" in intermodal.toml'
    return f"{host}, pods use the store {asked.store}", "", ""


def sagemaker(settings: Settings) -> Answer:
    """Whether an AWS account is ready for jobs; without credentials nothing is asked."""
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.cli.aws_place import has_credentials, may_have_credentials

    try:
        asked = sagemaker_settings(settings)
    except IntermodalError as error:
        return "", f"{error.headline}{f': {error.seen}' if error.seen else ''}", error.next_step or error.expected
    if not (may_have_credentials(asked) and has_credentials(asked)):
        return "", "no AWS credentials were found", "aws configure, aws sso login, or set AWS_PROFILE"
    from intermodal.aws.diagnosis import diagnose
    from intermodal.aws.finding import WRONG

    found = diagnose(asked)
    wrong = next((item for item in found if item.state == WRONG), None)
    if wrong is not None:
        return "", f"{wrong.check}: {wrong.detail}", wrong.next or "intermodal aws doctor"
    told = {item.check: item.detail for item in found}
    return f"{told.get('credentials', '')}, {told.get('region', '')}; intermodal aws doctor says more", "", ""


def tracking(uri: str) -> Answer:
    """Whether MLflow's tracking store can be used."""
    if uri == "off":
        return "tracking is switched off", "", ""
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return _server(uri)
    if scheme == "sqlite":
        wrong = unwritable(Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute())
        return uri, f"{wrong} cannot be written" if wrong else "", "export MLFLOW_TRACKING_URI=sqlite:///FILE"
    if scheme.partition("+")[0] == "postgresql":
        return _port(uri)
    return "", f"{uri}: MLflow takes no files any more", "export MLFLOW_TRACKING_URI=sqlite:///FILE"


def _bucket(root: str) -> Answer:
    from intermodal.cli.packages import install_command, missing

    if missing("s3"):
        return "", f"{root} needs boto3", install_command("s3")
    import boto3
    from botocore.config import Config

    from intermodal.store.s3 import clear_s3_errors

    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    once = Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 1})
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    try:
        with clear_s3_errors(f"{root} does not answer"):
            client = boto3.session.Session().client("s3", region_name=region, config=once)
            client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    except IntermodalError as error:
        return "", f"{error.headline}: {error.seen}", error.next_step
    return root, "", ""


def _server(uri: str) -> Answer:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_TIMEOUT):
            return uri, "", ""
    except urllib.error.HTTPError as error:
        return "", f"{uri} answers {error.code}", "check MLFLOW_TRACKING_URI, and MLFLOW_TRACKING_TOKEN or its user"
    except (OSError, ValueError) as error:
        return (
            "",
            f"{uri} does not answer ({_first_line(error)})",
            "check MLFLOW_TRACKING_URI, or start `mlflow server`",
        )


def _port(uri: str) -> Answer:
    from intermodal.cli.packages import install_command, missing

    if missing("postgres"):
        return "", "PostgreSQL needs psycopg2", install_command("postgres")
    parts = urlsplit(uri)
    where = f"{parts.hostname}:{parts.port or 5432}"  # never the password
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432), _TIMEOUT):
            return f"PostgreSQL at {where}", "", ""
    except OSError as error:
        return "", f"{where} does not answer ({_first_line(error)})", "check MLFLOW_TRACKING_URI, or start PostgreSQL"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
