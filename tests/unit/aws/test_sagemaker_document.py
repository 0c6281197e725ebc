"""docs/sagemaker.md says of the settings what the code says; `WRITE_GOLDEN=1 pytest …` writes its tables anew."""

from __future__ import annotations

import inspect
import json
import os
import re
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from intermodal.aws.instances import TABLE
from intermodal.aws.job_environment import JobMark, job_environment
from intermodal.aws.settings import JobSettings, SageMakerSettings, sagemaker_settings
from intermodal.core.config import Settings
from sagemaker_plans import a_plan

PAGE = Path(__file__).parents[3] / "docs" / "sagemaker.md"
_LEFT_OUT = ("job", "steps")  # the other table, and the sections of single steps


def attributes(kind: type) -> dict[str, str]:
    """Field → what the docstring says of it."""
    text = inspect.getdoc(kind) or ""
    block = text.partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for line in block.splitlines():
        match = re.match(r" {4}(\w+): (.*)", line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif line.strip():
            found[name] += " " + line.strip()
    return found


def default(item: Any) -> str:
    """A default as TOML writes it."""
    value = item.default_factory() if item.default is MISSING else item.default
    return f"`{json.dumps(value)}`"


def settings_table(kind: type) -> str:
    told = attributes(kind)
    rows = [
        f"| `{item.name}` | {default(item)} | {told[item.name]} |"
        for item in fields(kind)
        if item.name not in _LEFT_OUT
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def machines_table() -> str:
    rows = [f"| {item.name} | {item.cpu} | {item.memory} | {item.gpu or ''} |" for item in TABLE]
    return "\n".join(["| machine | cores | GiB | accelerators |", "|---|---|---|---|", *rows])


TABLES = {
    "settings: SageMakerSettings": settings_table(SageMakerSettings),
    "settings: JobSettings": settings_table(JobSettings),
    "machines": machines_table(),
}


@pytest.mark.parametrize("mark", TABLES)
def test_tables_say_what_the_code_says(mark):
    pattern = re.compile(rf"(<!-- {mark} -->\n)(.*?)\n?(<!-- end -->)", re.DOTALL)
    text = PAGE.read_text()
    if os.environ.get("WRITE_GOLDEN"):
        text = pattern.sub(lambda found: f"{found[1]}{TABLES[mark]}\n{found[3]}", text)
        PAGE.write_text(text)
    found = pattern.search(text)
    assert found is not None
    assert found[2] == TABLES[mark]


def test_its_settings_are_settings(tmp_path):
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        read = sagemaker_settings(Settings(tmp_path, str(tmp_path), "off", "test", tomllib.loads(block)))
        assert read != SageMakerSettings()


def test_every_variable_of_a_job_is_named():
    job = JobSettings(network_isolation=True, processes=2, sharded=["data"])
    for name in job_environment(a_plan(job=job), JobMark("job", "0" * 64)):
        assert f"`{name}`" in PAGE.read_text()
