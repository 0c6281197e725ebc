# make demo and make test do everything on a fresh machine with Python 3.11.
.PHONY: setup setup-dev demo test check faults bench conformance format clean

PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
BIN := $(VENV)/bin
LOCK := $(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt
export PYTHONUTF8 := 1

setup: $(VENV)/.setup-$(LOCK)
setup-dev: $(VENV)/.setup-dev-$(LOCK)

$(VENV)/.setup-$(LOCK):
	@setup/timed "environment" "$(PYTHON)" -m venv $(VENV)
	@setup/timed "packages" $(PIP) --editable ".[s3,torch,kfp]"
	@du -sh $(VENV) | sed 's/^/── size of the environment: /'
	@touch $@

$(VENV)/.setup-dev-$(LOCK): $(VENV)/.setup-$(LOCK)
	@setup/timed "packages for development" $(PIP) --editable ".[s3,torch,tensorflow,tune,kfp,postgres,serve,sagemaker-local,bench,dev]"
	@setup/timed "Debian packages for tests" setup/debian-packages
	@touch $@

demo: setup
	@setup/timed "pipeline" $(BIN)/intermodal run pipelines/reviews.py

# TensorFlow has a process without PyTorch's, Spark's and fifty other native libraries in it, as in its own image.
TENSORFLOW_TESTS := tests/unit/steps/test_train_tensorflow.py

test: setup-dev
	@failed=0; \
	setup/timed "tests of TensorFlow" $(BIN)/python -m pytest $(TENSORFLOW_TESTS) || failed=1; \
	setup/timed "tests" $(BIN)/python -m pytest -n 2 --dist worksteal --durations=15 --ignore $(TENSORFLOW_TESTS) || failed=1; \
	exit $$failed

check: setup-dev
	@setup/timed "lint" $(BIN)/ruff check .
	@setup/timed "format" $(BIN)/ruff format --check --quiet .
	@setup/timed "types" $(BIN)/mypy
	@setup/timed "layers" $(BIN)/lint-imports --no-cache
	@setup/timed "drift of generated files" $(BIN)/intermodal regenerate --check

faults: setup-dev
	@setup/timed "200 runs in which something goes wrong" env INTERMODAL_FAULT_RUNS=200 $(BIN)/python -m pytest -n 2 tests/e2e/test_sagemaker_faults.py

bench: setup-dev
	@for name in ingest featurize training overhead sagemaker; do setup/timed "$$name" $(BIN)/python benchmarks/$$name.py || exit 1; done

conformance: setup-dev
	$(BIN)/intermodal conformance --runtime local
	$(BIN)/intermodal conformance --runtime local-container

format: setup-dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet . ; $(BIN)/intermodal regenerate

clean:
	rm -rf $(VENV) .intermodal .kubeflow-fake .sagemaker-local mlflow.db build .mypy_cache .ruff_cache .pytest_cache
