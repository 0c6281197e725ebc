"""`--help` is fast because it imports nothing slow; which modules were imported is what is tested."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from intermodal.cli.main import HIDDEN, VERBS

SLOW = ("torch", "tensorflow", "transformers", "mlflow", "kfp", "polars", "pandas", "pyarrow", "duckdb", "numpy")
SLOW += ("sklearn", "scipy", "boto3", "botocore", "docker", "jinja2", "rich", "pyspark", "requests")
PROGRAM = """
import json, sys
from intermodal.cli.main import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps(sorted(set(json.loads(sys.argv[2])) & {name.partition(".")[0] for name in sys.modules})))
"""


def imported(*words: str) -> tuple[str, list[str]]:
    """What a command prints, and which of the slow modules it imported."""
    given = [json.dumps(words), json.dumps(SLOW)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *given], capture_output=True, text=True, check=True)
    text, _, modules = done.stdout.rstrip("\n").rpartition("\n")
    return text, json.loads(modules)


@pytest.mark.parametrize("verb", [*VERBS, *HIDDEN])
def test_help_of_a_verb_imports_nothing_slow(verb):
    text, modules = imported(verb, "--help")
    assert modules == []
    assert text.startswith(f"usage: intermodal {verb}")
    assert "--json" in text


def test_help_of_a_step_imports_nothing_that_the_step_needs():
    text, modules = imported("step", "generate", "--help")
    assert "parameters:" in text
    assert set(modules) <= {"kfp"}  # its annotations are kfp's types


def test_the_overview_and_the_version_import_nothing_slow():
    assert imported("--help")[1] == []
    assert imported("--version")[1] == []
    assert imported()[1] == []


def test_status_and_doctor_import_nothing_slow(home):
    assert imported("status")[1] == []
    doctor = set(imported("doctor")[1])
    assert doctor <= {"docker", "requests"}  # asking the container engine


def test_the_overview_names_every_verb():
    text, _ = imported("--help")
    assert all(f"  {verb} " in text for verb in VERBS)
    assert not any(f"  {verb} " in text for verb in HIDDEN)
