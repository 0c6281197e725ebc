"""The manifests, rendered once a session from a copy of the tree, so that secrets are made there and not in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from intermodal.runtime.manifests.checking import Documents, read_documents
from manifests_at import OVERLAYS, ROOT, SHARED, Rendered

OWN_CRDS = Path(__file__).parent / "crds"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of k8s/ with freshly made secrets; skips with the reason where kubectl is missing."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    copy = tmp_path_factory.mktemp("manifests") / "k8s"
    shutil.copytree(ROOT / "k8s", copy, ignore=shutil.ignore_patterns("secrets", ".terraform*", "*.tfstate*"))
    subprocess.run([copy / "overlays/local/make-secrets"], check=True, capture_output=True)
    return copy


@pytest.fixture(scope="session")
def rendered(tree: Path) -> Rendered:
    """Every folder of `OVERLAYS`, as objects."""
    return {name: _render(tree / name) for name in OVERLAYS}


@pytest.fixture(scope="session")
def crds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published definitions and our own one in one folder; skips where the published ones are missing."""
    if not (SHARED / "crds").is_dir():
        pytest.skip(f"the CustomResourceDefinitions are not on this machine: no {SHARED / 'crds'}")
    folder = tmp_path_factory.mktemp("crds")
    used = ("kueue", "trainer", "sparkoperator.k8s.io_sparkapplications")
    for path in [*OWN_CRDS.glob("*.yaml"), *(SHARED / "crds").glob("*.yaml")]:
        if path.parent == OWN_CRDS or path.name.startswith(used):
            shutil.copy(path, folder)
    return folder


def _render(folder: Path) -> Documents:
    done = subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True)
    return read_documents(done.stdout, str(folder))
