"""One self-contained HTML page a run, its charts as pure functions, and what the Kubeflow UI draws itself."""
