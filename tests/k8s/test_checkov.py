"""checkov over the rendered manifests, the Dockerfile and Terraform, where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from manifests_at import ROOT, Rendered


def test_nothing_fails_but_what_the_configuration_says_why(rendered: Rendered, tmp_path: Path) -> None:
    program = shutil.which("checkov") or os.environ.get("CHECKOV")
    if not program:
        pytest.skip("checkov is not installed (pip install checkov, in an environment of its own; or set CHECKOV)")
    for name, documents in rendered.items():
        (tmp_path / f"{name.replace('/', '-')}.yaml").write_text(yaml.safe_dump_all(documents))
    shutil.copytree(ROOT / "k8s/terraform", tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
    for name in ("components/Dockerfile", "k8s/images/mlflow.Dockerfile"):
        shutil.copy(ROOT / name, tmp_path)
    command = [program, f"--config-file={ROOT / 'k8s/.checkov.yaml'}", "-d", str(tmp_path), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    reports = json.loads(done.stdout)
    failed = [(item["check_id"], item["resource"]) for report in reports for item in report["results"]["failed_checks"]]
    assert {report["check_type"] for report in reports} == {"kubernetes", "terraform", "dockerfile"}
    assert sum(report["summary"]["passed"] for report in reports) > 500
    assert failed == []
