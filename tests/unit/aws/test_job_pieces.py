"""Pieces of jobs' requests: machines, metrics, script mode, Deep Learning Containers, image rules."""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intermodal.aws.dlc import container_image
from intermodal.aws.instances import TABLE, has_accelerators, has_own_disk, instance_for, quantity
from intermodal.aws.job_images import require_images
from intermodal.aws.job_input import channel_name
from intermodal.aws.metrics import definitions_of, metric_definitions
from intermodal.aws.script_mode import pack_source
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings, SageMakerSettings
from intermodal.core.metric_lines import metric_line
from intermodal.core.registry import CATALOGUE, load_spec
from intermodal.core.step import Needs
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import render_job
from sagemaker_plans import IMAGE, STORE, a_plan, a_spec

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)
TRAINING = a_spec(job="training")


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        (Needs(), "ml.m5.large"),
        (Needs(cpu="500m", memory="512Mi"), "ml.m5.large"),
        (Needs(cpu="2", memory="12Gi"), "ml.r5.large"),
        (Needs(cpu="2", memory="8Gi"), "ml.r5.large"),
        (Needs(cpu="8", memory="31Gi"), "ml.m5.2xlarge"),
        (Needs(cpu="4", memory="14Gi", gpu=1), "ml.g4dn.xlarge"),
        (Needs(cpu="1", memory="1Gi", gpu=2), "ml.g4dn.12xlarge"),
        (Needs(gpu=8), "ml.g5.48xlarge"),
    ],
)
def test_the_smallest_machine_that_fits_is_taken(needs, expected):
    assert instance_for(needs) == expected


@given(cpu=st.integers(1, 200), memory=st.integers(1, 900), gpu=st.integers(0, 9))
def test_a_machine_has_what_was_asked_for_or_none_has(cpu, memory, gpu):
    fitting = [item for item in TABLE if item.cpu >= cpu and item.memory > memory and item.gpu >= gpu]
    fitting = [item for item in fitting if bool(item.gpu) == bool(gpu)]
    needs = Needs(cpu=str(cpu), memory=f"{memory}Gi", gpu=gpu)
    if fitting:
        assert instance_for(needs) == fitting[0].name
    else:
        with pytest.raises(UsageError, match="large enough"):
            instance_for(needs)


def test_both_kinds_of_jobs_take_every_machine_of_the_table():
    for item in TABLE:
        for spec in (a_spec(), TRAINING):
            assert render_job(a_plan(spec, JobSettings(instance_type=item.name))).name


def test_quantities_that_are_none_are_refused():
    assert quantity("1500m") == 1.5
    assert quantity("2Ki") == 2048
    with pytest.raises(UsageError, match="quantity"):
        quantity("much")


def test_families_are_told_apart():
    assert has_own_disk("ml.g4dn.xlarge")
    assert has_own_disk("ml.m5d.large")
    assert not has_own_disk("ml.m5.large")
    assert has_accelerators("ml.p4d.24xlarge")
    assert not has_accelerators("ml.r5.large")


@pytest.mark.parametrize("step", [name for name in CATALOGUE if load_spec(name).needs.job == "training"])
def test_training_steps_of_the_catalogue_have_their_metrics(step):
    names = [item["Name"] for item in metric_definitions(load_spec(step))]
    assert "validation_loss" in names
    assert len(names) == len(set(names)) <= 40


@given(name=NAMES, other=NAMES, value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_metric_is_found_in_its_own_lines_alone(name, other, value):
    (definition,) = definitions_of((name,))
    line = metric_line({"event": "metric", "name": name, "value": value, "step": 7})
    found = re.search(definition["Regex"], line)
    assert found is not None
    assert float(found[1]) == value
    if other != name:
        for text in (other, f"val_{name}", f"{name}_x"):
            foreign = metric_line({"event": "metric", "name": text, "value": 1.0, "step": 0})
            assert text == name or re.search(definition["Regex"], foreign) is None


def test_a_script_says_itself_what_it_prints():
    made = metric_definitions(TRAINING, {"metric_patterns": {"train:error": "error=(.*)"}})
    assert [item["Name"] for item in made] == ["train:error"]
    assert metric_definitions(TRAINING, {"metric_patterns": "none"}) == metric_definitions(TRAINING)


def test_metrics_of_a_script_of_ones_own():
    plan = a_plan(TRAINING, JobSettings(metrics={"loss": r"loss: ([0-9.]+)", "step": r"^at ([0-9]+)"}))
    (loss, step) = render_job(plan).request.parameters["AlgorithmSpecification"]["MetricDefinitions"]
    assert step == {"Name": "step", "Regex": "^at ([0-9]+)"}
    assert re.search(loss["Regex"], "epoch 1 loss: 0.5")[1] == "0.5"
    assert re.search(loss["Regex"], "loss: 0.5")[1] == "0.5"
    assert re.search(loss["Regex"], "val_loss: 0.5") is None
    for wrong in ("loss", "(a)(b)", "(", "(" + "x" * 500 + ")"):
        with pytest.raises(UsageError, match=r"sagemaker\.metrics\.loss"):
            render_job(a_plan(TRAINING, JobSettings(metrics={"loss": wrong})))
    with pytest.raises(UsageError, match="too many"):
        render_job(a_plan(TRAINING, JobSettings(metrics={f"m{number}": "(x)" for number in range(41)})))


def test_definitions_stay_within_sagemakers_forty():
    assert len(definitions_of(tuple(f"metric_{number}" for number in range(60)))) == 40
    assert definitions_of(("x" * 300, "short", "short")) == definitions_of(("short",))


@given(name=st.text(min_size=1, max_size=120))
def test_any_input_has_a_channel(name):
    made = channel_name(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", made)
    assert channel_name(name) == made


def test_inputs_that_look_alike_have_channels_of_their_own():
    assert len({channel_name(name) for name in ("größe", "grö_e", "gr__e", "x" * 70, "x" * 71, "intermodal")}) == 6


def a_source(folder: Path) -> Path:
    source = folder / "source"
    (source / "inner" / "__pycache__").mkdir(parents=True)
    (source / "train.py").write_text("print('trained')\n")
    (source / "inner" / "more.py").write_text("")
    (source / "inner" / "__pycache__" / "more.pyc").write_text("left out")
    (source / "link").symlink_to("/etc/hostname")
    return source


def test_a_source_directory_is_packed_the_same_each_time(tmp_path):
    one, other = pack_source(a_source(tmp_path), "train.py"), pack_source(tmp_path / "source", "train.py")
    (tmp_path / "source" / "train.py").touch()
    assert one.content == other.content == pack_source(tmp_path / "source", "train.py").content
    with tarfile.open(fileobj=io.BytesIO(one.content)) as archive:
        assert archive.getnames() == ["inner/more.py", "train.py"]
    (tmp_path / "source" / "train.py").write_text("print('other')\n")
    assert pack_source(tmp_path / "source", "train.py").key != one.key


def test_in_script_mode_the_image_runs_the_users_script(tmp_path):
    job = JobSettings(
        source_dir=str(a_source(tmp_path)), entry_point="train.py", input_mode="Pipe", image="dlc:pytorch"
    )
    rendered = render_job(
        a_plan(TRAINING, job, parameters={"epochs": 3, "name": "a", "none": None}, image="dlc:pytorch")
    )
    body, (staged,) = rendered.request.parameters, rendered.staged_files
    assert staged.key.endswith("/sourcedir.tar.gz")
    given = {name: json.loads(value) for name, value in body["HyperParameters"].items()}
    assert given["sagemaker_program"] == "train.py"
    assert given["sagemaker_submit_directory"] == f"{STORE}/{staged.key}"
    assert (given["epochs"], given["name"], "none" in given) == (3, "a", False)
    assert "ContainerEntrypoint" not in body["AlgorithmSpecification"]
    assert [item["ChannelName"] for item in body["InputDataConfig"]] == ["data"]
    assert body["InputDataConfig"][0]["InputMode"] == "Pipe"
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.10.0-cpu-py313"
    assert body["AlgorithmSpecification"]["TrainingImage"] == image
    assert rendered.collects


def test_train_script_says_its_hyperparameters_and_metrics_by_its_parameters(tmp_path):
    job = JobSettings(source_dir=str(a_source(tmp_path)), entry_point="train.py")
    given = {"hyperparameters": {"epochs": 2}, "metric_patterns": {"loss": "loss=(.+)"}, "source": "training"}
    body = render_job(a_plan(TRAINING, job, parameters=given)).request.parameters
    assert {name for name in body["HyperParameters"] if not name.startswith("sagemaker_")} == {"epochs"}
    (definition,) = body["AlgorithmSpecification"]["MetricDefinitions"]
    assert definition["Name"] == "loss"
    assert re.search(definition["Regex"], "loss=0.5")[1] == "0.5"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parameters=st.dictionaries(
        st.from_regex(r"[a-z_]{1,40}", fullmatch=True), st.text(max_size=60) | st.integers() | st.floats(), max_size=30
    )
    | st.fixed_dictionaries({"long": st.text(min_size=2300, max_size=2600)})
)
def test_any_parameters_are_hyperparameters_within_the_limits_or_refused(tmp_path_factory, parameters):
    source = tmp_path_factory.getbasetemp() / "script-mode-source"
    source.mkdir(exist_ok=True)
    (source / "train.py").touch()
    job = JobSettings(source_dir=str(source), entry_point="train.py")
    try:
        body = render_job(a_plan(TRAINING, job, parameters=parameters)).request.parameters
    except UsageError as refused:
        assert re.search(r"parameter (long|\w+) ", str(refused))
        return
    assert problems("sagemaker", "CreateTrainingJob", body) == []
    told = {name: json.loads(value) for name, value in body["HyperParameters"].items()}
    assert repr({name: told[name] for name in parameters}) == repr(parameters)


@pytest.mark.parametrize(
    ("given_settings", "fields", "word"),
    [
        ({"entry_point": "missing.py"}, {}, "entry_point"),
        ({"entry_point": "../outside.py"}, {}, "entry_point"),
        ({"entry_point": "train.py"}, {"parameters": {"text": "x" * 2500}}, "parameter text"),
        ({"entry_point": "train.py"}, {"parameters": {f"p{n}": n for n in range(100)}}, "too many parameters"),
        ({"entry_point": "train.py"}, {"spec": a_spec()}, "source_dir is for training jobs"),
    ],
)
def test_what_script_mode_cannot_do_is_refused(tmp_path, given_settings, fields, word):
    (tmp_path / "outside.py").touch()
    job = JobSettings(source_dir=str(a_source(tmp_path)), **given_settings)
    with pytest.raises(UsageError, match=word):
        render_job(a_plan(**{"spec": TRAINING, "job": job, **fields}))


def test_deep_learning_containers_are_named_by_region():
    assert container_image("dlc:tensorflow:2.19.0", "eu-south-1", gpu=True) == (
        "692866216735.dkr.ecr.eu-south-1.amazonaws.com/tensorflow-training:2.19.0-gpu-py312"
    )
    assert container_image("dlc:pytorch", "cn-north-1", gpu=False).startswith(
        "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-training:"
    )
    for wrong in ("dlc:mxnet", "dlc:pytorch:1.0"):
        with pytest.raises(UsageError):
            container_image(wrong, "us-east-1", gpu=False)
    with pytest.raises(UsageError, match="script mode"):
        render_job(a_plan(TRAINING, image="dlc:pytorch"))


@pytest.mark.parametrize(
    ("image", "mutable", "word"),
    [
        (IMAGE, False, ""),
        ("intermodal/core:0.1.0", True, "cannot pull"),
        (IMAGE.partition("@")[0] + ":0.1.0", False, "by digest"),
        (IMAGE.partition("@")[0] + ":0.1.0", True, ""),
    ],
)
def test_aws_is_sent_images_that_it_can_pull_by_digest(image, mutable, word):
    plan, settings = a_plan(image=image), SageMakerSettings(allow_mutable_tags=mutable)
    require_images([plan], settings, local=True)
    if not word:
        require_images([plan], settings, local=False)
        return
    with pytest.raises(UsageError, match=word):
        require_images([plan], settings, local=False)


def test_images_of_managed_steps_are_the_services_matter():
    managed = a_spec(needs=Needs(job="managed", managed="somewhere:render"))
    require_images([replace(a_plan(managed), image="any")], SageMakerSettings(), local=False)
    with pytest.raises(UsageError, match="any for count"):
        require_images([a_plan(image="any")], SageMakerSettings(), local=False)
