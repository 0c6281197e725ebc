"""Terraform against moto's server: how tests plan and apply k8s/terraform without an account."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from free_ports import free_port

MIRRORS = ("TERRAFORM_PROVIDERS", "/opt/tf-plugins", "/usr/share/terraform/plugins", "~/.terraform.d/plugins")
_SERVICES = ("athena", "autoscaling", "cloudwatchlogs", "ec2", "ecr", "eks", "glue", "iam", "kms", "s3", "sts")


def provider_mirror() -> Path | None:
    """A folder on this machine that holds the AWS provider; the first of MIRRORS may be a variable with its path."""
    named = os.environ.get(MIRRORS[0])
    for name in [named, *MIRRORS[1:]] if named else MIRRORS[1:]:
        folder = Path(name).expanduser()
        if list(folder.glob("registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*")):
            return folder
    return None


@dataclass(frozen=True)
class Terraform:
    """A copy of k8s/terraform whose provider talks to a moto server."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *words: str) -> str:
        """Run a terraform command and return what it printed."""
        command = [str(shutil.which("terraform")), *words]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def plan(self, name: str, **variables: Any) -> dict[str, Any]:
        """The plan with these variables, as JSON."""
        given = [
            f"-var={key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in variables.items()
        ]
        self("plan", "-input=false", "-refresh=false", f"-out={name}.tfplan", *given)
        loaded: dict[str, Any] = json.loads(self("show", "-json", f"{name}.tfplan"))
        return loaded


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """moto's server in a process of its own; its address."""
    port = free_port()
    # An account's default VPC, and the managed policies by their names, are part of what moto brings.
    environment = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=2).close()
                break
            assert time.monotonic() < deadline and process.poll() is None, "moto did not start"
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def prepared(source: Path, folder: Path, mirror: Path, endpoint: str) -> Terraform:
    """Copy the configuration and initialise it, offline.

    Args:
        source: k8s/terraform.
        folder: An existing folder for the copy.
        mirror: The folder that holds the provider.
        endpoint: moto's address.
    """
    for path in [*source.glob("*.tf"), source / ".terraform.lock.hcl"]:
        shutil.copy(path, folder)
    settings = folder / "terraformrc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    endpoints = "".join(f'    {name} = "{endpoint}"\n' for name in _SERVICES)
    (folder / "moto_override.tf").write_text(
        'provider "aws" {\n  region = var.region\n  access_key = "test"\n  secret_key = "test"\n'
        "  s3_use_path_style = true\n  skip_metadata_api_check = true\n"
        f"  endpoints {{\n{endpoints}  }}\n}}\n"
    )
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {"TF_CLI_CONFIG_FILE": str(settings), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    terraform = Terraform(folder, {**known, **own, "AWS_EC2_METADATA_DISABLED": "true"})
    terraform("init", "-input=false", "-backend=false", "-lockfile=readonly")
    return terraform
