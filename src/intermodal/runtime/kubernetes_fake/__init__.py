"""A Kubernetes API server for tests and rehearsals: strict about what it is given, and nothing ever runs on it.

Real `kubectl` (apply, also server-side, diff, get, delete, wait for deletion) and the Python client work against it.
Custom kinds come from CustomResourceDefinitions, given at the start or applied like anything else. It refuses unknown
fields and wrong types whatever `fieldValidation` asks, names that Kubernetes would refuse, objects in namespaces that
are not there, changes to fields that may not change, and pods and pod templates that the namespace's Pod Security
level forbids. It has no controllers, no authorisation, evaluates no CEL, and speaks no
protobuf (which `kubectl create KIND` sends; `create -f` does not).
"""

from __future__ import annotations

from intermodal.runtime.kubernetes_fake.cluster import Cluster
from intermodal.runtime.kubernetes_fake.server import serving, write_kubeconfig

__all__ = ["Cluster", "serving", "write_kubeconfig"]
