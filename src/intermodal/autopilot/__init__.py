"""Autopilot on this machine: candidates of several algorithms tried on the same rows, the best as a model, and why."""
