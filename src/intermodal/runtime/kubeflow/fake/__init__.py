"""A public fake of Kubeflow Pipelines' v2beta1 API, which runs what is submitted for real.

It is strict: what a real server refuses, it refuses, and some more. It is faithful in what a client can see
of a run: states, nodes, pods, logs, artifacts, the cache, retries, KFP's native MLflow. What it leaves out:
recurring runs never fire, `package_url` is not fetched, and of kfp-kubernetes' settings it honours variables,
pod labels and annotations, and deadlines; volumes, tolerations and resources are checked, then passed over.
"""

from __future__ import annotations

from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.kubeflow.fake.server import KubeflowFake, open_fake

__all__ = ["FakeOptions", "KubeflowFake", "open_fake"]
