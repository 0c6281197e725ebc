"""Names in `intermodal.toml` that look like typing errors are told; those of other pipelines are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.cli.main import main
from intermodal.runtime.pipeline import load_pipeline
from intermodal.runtime.step_names import misspelt_names
from launching import pipeline


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({}, []),
        ({"sagemaker": {"steps": {"spread": {}, "total": {}}}}, []),
        ({"sagemaker": {"steps": {"spraed": {}}}}, []),  # 0.83 alike: as near as "train_a" and "train_b"
        ({"sagemaker": {"steps": {"sprea-d": {}}}}, ["[sagemaker.steps] sprea-d is no step of line: spread?"]),
        ({"kubeflow": {"steps": {"totale": {}}}}, ["[kubeflow.steps] totale is no step of line: total?"]),
        ({"place": {"totals": "local"}}, ["[place] totals is no step of line: total?"]),
        ({"place": {"totals": "local", "total": "local"}}, []),  # the right one is there, so the other is another's
        ({"place": {"line": {"total": "local"}}}, []),  # a pipeline's own table
        ({"sagemaker": {"steps": {"evaluate": {}, "somebody_elses": {}}}}, []),
        ({"sagemaker": 3, "kubeflow": {"steps": 4}, "place": []}, []),  # refused by whoever reads them
    ],
)
def test_a_name_that_is_nearly_a_steps_is_told(extra: dict, told: list[str]) -> None:
    lines = misspelt_names(load_pipeline(pipeline("line", "toy_pipelines.py")), extra)
    assert lines == [f"intermodal.toml: {line}" for line in told]


@pytest.mark.parametrize(
    "words", [["plan"], ["render", "--on", "sagemaker"], ["compile", "--to", "sagemaker-pipeline"]], ids=" ".join
)
def test_commands_warn_and_go_on(words: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("intermodal.toml").write_text('[sagemaker.steps.totals]\ninstance_type = "ml.m5.4xlarge"\n')
    verb, *flags = words
    assert main([verb, pipeline("line", "toy_pipelines.py"), *flags]) == 0
    assert "warning: intermodal.toml: [sagemaker.steps] totals is no step of line: total?" in capsys.readouterr().err
