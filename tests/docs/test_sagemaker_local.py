"""The page on the local SageMaker, followed word by word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from intermodal.cli.main import main
from intermodal.runtime.sagemaker_local.executing import ENGINES
from intermodal.runtime.sagemaker_local.faults import API_FAULTS, JOB_FAULTS
from intermodal.runtime.sagemaker_local.namespaces import namespaces_work
from service_pages import PAGES, follow

PAGE = PAGES / "sagemaker-local.md"


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    if not namespaces_work():
        pytest.skip("the page's job wants its own /opt/ml: root, or user namespaces")
    follow(PAGE, tmp_path, least=8)


def test_every_fault_and_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text()
    explained = set(re.findall(r"`([\w-]+)`", "".join(re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE))))
    assert explained >= {*API_FAULTS, *JOB_FAULTS, *ENGINES}
    with pytest.raises(SystemExit):
        main(["sagemaker-local", "--help"])
    options = set(re.findall(r"--[a-z][a-z0-9-]+", capsys.readouterr().out)) - {"--help", "--json", "--region"}
    assert options <= set(re.findall(r"--[a-z][a-z0-9-]+", page))
