"""Kubernetes manifests as values: their schemas, Pod Security, policies, and images by digest."""
