"""Experiments, pipelines, versions and recurring runs of the fake, driven by the real client; nothing runs here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from kfp_server_api import ApiException

from intermodal.runtime.kubeflow.fake import KubeflowFake
from kubeflow import client_of, compiled


@pytest.fixture
def package(tmp_path: Path) -> str:
    from kfp import compiler

    path = str(tmp_path / "choose.yaml")
    compiler.Compiler().compile(compiled("choose"), path)
    return path


def refused(status: int, call, *words: object, **named: object) -> str:
    """What the server said when it refused."""
    with pytest.raises(ApiException) as caught:
        call(*words, **named)
    body = json.loads(caught.value.body)
    assert caught.value.status == status, body
    assert body["details"][0]["message"] == body["message"] != ""
    return body["message"]


def test_health(kubeflow: KubeflowFake) -> None:
    health = client_of(kubeflow).get_kfp_healthz()
    assert (health.multi_user, health.pipeline_store) == (False, "database")


def test_the_default_experiment_is_there(kubeflow: KubeflowFake) -> None:
    found = client_of(kubeflow).get_experiment(experiment_name="Default")
    assert found.storage_state == "AVAILABLE"


def test_an_experiment_s_life(kubeflow: KubeflowFake) -> None:
    client = client_of(kubeflow)
    made = client.create_experiment("trial", description="of the fake")
    assert client.create_experiment("trial").experiment_id == made.experiment_id  # the client looks first
    assert client.get_experiment(made.experiment_id).description == "of the fake"
    client.archive_experiment(made.experiment_id)
    assert client.get_experiment(made.experiment_id).storage_state == "ARCHIVED"
    client.unarchive_experiment(made.experiment_id)
    assert client.get_experiment(made.experiment_id).storage_state == "AVAILABLE"
    client.delete_experiment(made.experiment_id)
    assert made.experiment_id in refused(404, client.get_experiment, made.experiment_id)


def test_an_experiment_s_name_is_unique(kubeflow: KubeflowFake) -> None:
    api = client_of(kubeflow)._experiment_api
    body = {"display_name": "Default"}
    assert "Default" in refused(409, api.experiment_service_create_experiment, experiment=body)
    refused(400, api.experiment_service_create_experiment, experiment={})


def test_a_pipeline_and_its_versions(kubeflow: KubeflowFake, package: str) -> None:
    client = client_of(kubeflow)
    made = client.upload_pipeline(package, pipeline_name="reviews of töday", description="first")
    assert client.get_pipeline_id("reviews of töday") == made.pipeline_id
    api = client._pipelines_api
    assert api.pipeline_service_get_pipeline_by_name(name="reviews of töday").pipeline_id == made.pipeline_id
    second = client.upload_pipeline_version(package, "second", pipeline_id=made.pipeline_id)
    listed = client.list_pipeline_versions(made.pipeline_id, sort_by="created_at desc")
    assert [item.display_name for item in listed.pipeline_versions] == ["second", "reviews of töday"]
    read = client.get_pipeline_version(made.pipeline_id, second.pipeline_version_id)
    assert read.pipeline_spec == yaml.safe_load(Path(package).read_text())
    assert "2 versions" in refused(400, client.delete_pipeline, made.pipeline_id)
    client.delete_pipeline_version(made.pipeline_id, second.pipeline_version_id)
    api.pipeline_service_delete_pipeline(made.pipeline_id, cascade=True)
    refused(404, client.get_pipeline, made.pipeline_id)
    refused(404, client.list_pipeline_versions, made.pipeline_id)


def test_names_of_pipelines_and_versions_are_unique(kubeflow: KubeflowFake, package: str) -> None:
    client = client_of(kubeflow)
    made = client.upload_pipeline(package, pipeline_name="once")
    assert "once" in refused(409, client.upload_pipeline, package, pipeline_name="once")
    refused(409, client.upload_pipeline_version, package, "once", pipeline_id=made.pipeline_id)
    refused(404, client.upload_pipeline_version, package, "twice", pipeline_id="nobody")


def test_a_version_of_another_pipeline_is_not_found(kubeflow: KubeflowFake, package: str) -> None:
    client = client_of(kubeflow)
    one, other = (client.upload_pipeline(package, pipeline_name=name) for name in ("one", "other"))
    version = client.list_pipeline_versions(one.pipeline_id).pipeline_versions[0].pipeline_version_id
    refused(404, client.get_pipeline_version, other.pipeline_id, version)


def test_pipelines_without_upload(kubeflow: KubeflowFake, package: str) -> None:
    api = client_of(kubeflow)._pipelines_api
    made = api.pipeline_service_create_pipeline({"display_name": "bare", "tags": {"team": "a"}})
    changed = api.pipeline_service_update_pipeline(made.pipeline_id, {"display_name": "dressed"})
    assert (changed.display_name, changed.name, changed.tags) == ("dressed", "bare", {"team": "a"})
    spec = yaml.safe_load(Path(package).read_text())
    body = {"display_name": "inline", "pipeline_spec": spec}
    version = api.pipeline_service_create_pipeline_version(made.pipeline_id, body)
    assert version.pipeline_spec == spec
    body = {"display_name": "fetched", "package_url": {"pipeline_url": "http://127.0.0.1:1/x.yaml"}}
    assert "package_url" in refused(400, api.pipeline_service_create_pipeline_version, made.pipeline_id, body)


def test_lists_are_filtered_sorted_and_paged(kubeflow: KubeflowFake) -> None:
    client = client_of(kubeflow)
    for number in range(25):
        client._experiment_api.experiment_service_create_experiment({"display_name": f"trial-{number:02}"})
    first = client.list_experiments(page_size=10, sort_by="display_name desc")
    assert [item.display_name for item in first.experiments[:2]] == ["trial-24", "trial-23"]
    assert first.total_size == 26
    second = client.list_experiments(page_size=10, page_token=first.next_page_token, sort_by="display_name desc")
    third = client.list_experiments(page_size=10, page_token=second.next_page_token, sort_by="display_name desc")
    assert [len(second.experiments), len(third.experiments), third.next_page_token] == [10, 6, None]
    rule = {"operation": "IS_SUBSTRING", "key": "display_name", "stringValue": "-1"}
    found = client.list_experiments(filter=json.dumps({"predicates": [rule]}), page_size=50)
    assert [item.display_name for item in found.experiments] == [f"trial-1{number}" for number in range(10)]
    rule = {"operation": "IN", "key": "name", "string_values": {"values": ["trial-03", "trial-21"]}}
    assert client.list_experiments(filter=json.dumps({"predicates": [rule]})).total_size == 2
    refused(400, client.list_experiments, sort_by="colour")
    refused(400, client.list_experiments, sort_by="name sideways")
    refused(400, client.list_experiments, page_token="x")
    refused(400, client.list_experiments, filter="{")
    rule = {"operation": "EQUALS", "key": "colour", "string_value": "red"}
    assert "colour" in refused(400, client.list_experiments, filter=json.dumps({"predicates": [rule]}))
    refused(400, client.list_experiments, page_token=first.next_page_token, sort_by="display_name asc")


def test_a_recurring_run_is_kept_but_never_fires(kubeflow: KubeflowFake, package: str) -> None:
    client = client_of(kubeflow)
    experiment = client.get_experiment(experiment_name="Default").experiment_id
    made = client.create_recurring_run(
        experiment, "nightly", cron_expression="0 0 3 * * *", pipeline_package_path=package
    )
    assert client.get_recurring_run(made.recurring_run_id).status == "ENABLED"
    client.disable_recurring_run(made.recurring_run_id)
    assert client.list_recurring_runs(experiment_id=experiment).recurring_runs[0].status == "DISABLED"
    client.enable_recurring_run(made.recurring_run_id)
    client.delete_recurring_run(made.recurring_run_id)
    refused(404, client.get_recurring_run, made.recurring_run_id)
    assert client.list_runs().runs is None
    named = {"experiment_id": experiment, "job_name": "x", "pipeline_package_path": package, "interval_second": 60}
    refused(400, client.create_recurring_run, **named, params={"colour": "red"})
    refused(400, client.create_recurring_run, **named, max_concurrency=11)


def test_what_was_known_is_known_after_a_restart(open_kubeflow, package: str) -> None:
    first = open_kubeflow("same")
    made = client_of(first).upload_pipeline(package, pipeline_name="kept")
    first.stop()
    second = open_kubeflow("same")
    assert client_of(second).get_pipeline(made.pipeline_id).display_name == "kept"
