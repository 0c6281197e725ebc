"""The core: step contract, artifacts and manifests, settings. Standard library and kfp.dsl only."""
