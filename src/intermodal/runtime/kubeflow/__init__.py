"""Kubeflow Pipelines as a runtime: a pipeline rendered, submitted, followed, and recorded as a local run is."""
