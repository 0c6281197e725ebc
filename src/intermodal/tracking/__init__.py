"""MLflow: runs, metrics, models and the registry.

A step never imports mlflow (2–4 CPU seconds): it appends to a journal, and a recorder process beside the
launcher applies that to MLflow. Only modules of this package import mlflow, and only inside functions.
"""
