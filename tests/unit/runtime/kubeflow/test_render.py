"""What is uploaded to Kubeflow: read back, compared with a pinned file, and refused where it would go wrong."""

import json
import textwrap
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as messages
from kfp.pipeline_spec import pipeline_spec_pb2

import launching
from intermodal.core.config import load_settings
from intermodal.errors import UsageError
from intermodal.runtime.compiled import images_by_digest, locked_images, plain, require_digests
from intermodal.runtime.kubeflow.render import render
from intermodal.runtime.kubeflow.settings import kubeflow_settings
from intermodal.runtime.pipeline import load_pipeline

ROOT = Path(__file__).resolve().parents[4]
GOLDEN = ROOT / "tests" / "golden" / "kubeflow_retried.yaml"
DIGEST = "registry/core@sha256:" + "0" * 64

EVERYTHING = """
[kubeflow]
host = "http://127.0.0.1:1"
store = "s3://bucket/prefix"
mlflow_tracking_uri = "http://mlflow:5000"
mlflow_experiment = "tests"
service_account = "pipeline-runner"
timeout = 3600
retries = 3
shared_memory = "2Gi"
scratch = "10Gi"
gpu = 1
memory = "8Gi"
cpu = "3"
image_pull_secrets = ["registry"]
image_pull_policy = "IfNotPresent"
secrets = [
  {name = "aws", env = {id = "AWS_ACCESS_KEY_ID"}},
  {name = "ca", mount = "/etc/ca", optional = true},
]
tolerations = [{key = "gpu", effect = "NoSchedule"}, {key = "a", value = "b", seconds = 30}]
[kubeflow.node_selector]
pool = "gpu"
[kubeflow.env]
AWS_REGION = "eu-west-1"
[kubeflow.labels]
team = "reviews"
[kubeflow.annotations]
"sidecar.istio.io/inject" = "false"
[kubeflow.steps.train_pytorch]
gpu = 4
run_as_user = 2000
node_selector = {zone = "a"}
"""


def configured(text: str):
    Path("intermodal.toml").write_text(textwrap.dedent(text))
    return kubeflow_settings(load_settings())


def documents(text: str) -> list[dict]:
    return list(yaml.safe_load_all(text))


def toy(name: str):
    return load_pipeline(launching.pipeline(name, "toy_pipelines.py"))


def test_everything_that_can_be_said_is_in_the_file(home, monkeypatch):
    made = render(toy("retried"), configured(EVERYTHING), {"core": DIGEST})
    assert made.yaml == GOLDEN.read_text(), "the pinned file is another one: read the difference, then renew it"
    spec, platform = documents(made.yaml)
    assert json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec()) == made.spec
    config = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-flaky"]
    message = json_format.ParseDict(config, messages.KubernetesExecutorConfig())
    assert message.active_deadline_seconds == 3600
    assert [item.secret_name for item in message.secret_as_env] == ["aws"]
    json_format.ParseDict(spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())


def test_one_step_can_be_given_something_else(home):
    made = render(load_pipeline(str(ROOT / "pipelines" / "reviews.py")), configured(EVERYTHING))
    spec, platform = documents(made.yaml)
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["exec-train-pytorch"]["securityContext"]["runAsUser"] == "2000"
    assert executors["exec-train-pytorch"]["nodeSelector"]["labels"] == {"pool": "gpu", "zone": "a"}
    assert executors["exec-ingest"]["securityContext"]["runAsUser"] == "1000"
    containers = {name: item["container"] for name, item in spec["deploymentSpec"]["executors"].items()}
    assert containers["exec-train-pytorch"]["resources"]["accelerator"]["count"] == "4"
    assert containers["exec-ingest"]["resources"]["accelerator"]["count"] == "1"


def test_a_pipeline_keeps_what_it_says_itself(home):
    made = render(toy("retried"), configured(EVERYTHING))
    policy = made.spec.root.dag.tasks["flaky"].retry_policy
    assert (policy.max_retry_count, policy.backoff_duration.seconds) == (2, 0)
    said = render(toy("line"), configured(EVERYTHING)).spec.root.dag.tasks["make"].retry_policy
    assert (said.max_retry_count, said.backoff_duration.seconds, said.backoff_factor) == (3, 10, 2.0)


def test_kfps_own_cache_gives_way_to_ours_and_a_task_that_always_runs_still_does(home):
    made = render(toy("uncached"), configured(EVERYTHING))
    assert not any(task.caching_options.enable_cache for task in made.spec.root.dag.tasks.values())
    spec = documents(made.yaml)[0]
    variables = {
        label: {item["name"]: item["value"] for item in executor["container"]["env"]}
        for label, executor in spec["deploymentSpec"]["executors"].items()
    }
    assert variables["exec-double"]["INTERMODAL_USE_CACHE"] == "0"
    assert "INTERMODAL_USE_CACHE" not in variables["exec-say"]
    every = documents(render(toy("line"), configured(EVERYTHING), use_cache=False).yaml)[0]
    text = json.dumps(every["deploymentSpec"])
    assert text.count('"INTERMODAL_USE_CACHE"') == 3


def test_a_component_that_is_not_ours_gets_the_pod_but_none_of_our_variables(home):
    spec, platform = documents(render(toy("mixed"), configured(EVERYTHING)).yaml)
    container = spec["deploymentSpec"]["executors"]["exec-plain"]["container"]
    assert [item["name"] for item in container["env"]] == ["AWS_REGION"]
    config = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-plain"]
    assert "fieldPathAsEnv" not in config
    assert config["podMetadata"]["labels"] == {"team": "reviews"}


def test_the_same_pipeline_is_the_same_version(home):
    settings = configured(EVERYTHING)
    first, second = (render(toy("line"), settings) for _ in range(2))
    assert first.version == second.version
    assert first.version != render(toy("line"), settings, {"core": DIGEST}).version
    assert first.version.startswith("line-")


def test_the_clients_own_settings_are_the_pods_where_nothing_else_is_said(home, monkeypatch):
    monkeypatch.setenv("INTERMODAL_STORE", "s3://mine/here")
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "https://kubeflow.example.com/")
    settings = kubeflow_settings(load_settings())
    assert (settings.store, settings.mlflow_tracking_uri) == ("s3://mine/here", "off")
    assert settings.host == "https://kubeflow.example.com"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[kubeflow]\nhots = "x"', "host"),
        ("[kubeflow]\nhost = 3", "a text"),
        ("[kubeflow]\nretries = true", "a whole number"),
        ("[kubeflow]\nretries = -1", "a whole number"),
        ("[kubeflow.env]\nA = 3", '"3"'),
        ('[kubeflow]\non_interrupt = "stop"', "leave or cancel"),
        ('[kubeflow.steps.train_pytorch]\ntimout = "1"', "timeout"),
        ("kubeflow = 3", "[kubeflow]"),
        ("[kubeflow.steps.train_pytorc]\ngpu = 1", "train_pytorch"),
        ('[kubeflow]\nsecrets = [{name = "a"}]', "mount"),
        ('[kubeflow]\nsecrets = [{name = "a", value = "hidden"}]', "optional"),
        ('[kubeflow]\ntolerations = [{key = "a", effect = "Never"}]', "NoExecute"),
        ('[kubeflow]\ntolerations = [{key = "a", operator = "Exists", value = "b"}]', "without a value"),
        ('[kubeflow]\nimage_pull_policy = "Sometimes"', "IfNotPresent"),
    ],
)
def test_what_is_written_wrongly_is_refused_with_what_would_be_right(home, text, part):
    with pytest.raises(UsageError) as caught:
        render(toy("line"), configured(text))
    assert part in caught.value.expected


def test_a_password_is_not_uploaded(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hidden@mlflow.example.com")
    with pytest.raises(UsageError, match="holds a password") as caught:
        render(toy("line"), configured("[kubeflow]"))
    assert "hidden" not in str(caught.value)
    assert "MLFLOW_TRACKING_PASSWORD" in str(caught.value)


def test_a_tag_is_refused_and_a_digest_is_not(home):
    with pytest.raises(UsageError, match="not named by digest") as caught:
        require_digests(plain(toy("line")))
    assert "intermodal images" in caught.value.next_step
    require_digests(plain(toy("line"), {"core": DIGEST}))


def test_digests_come_from_the_lock_and_the_environment_wins(home, monkeypatch):
    assert locked_images() == {}
    Path("images.lock.json").write_text(json.dumps({"core": DIGEST}))
    made = plain(toy("line"), locked_images())
    assert images_by_digest(made)
    monkeypatch.setenv("INTERMODAL_IMAGE_CORE", "mine:1")
    assert locked_images() == {"core": "mine:1"}


@pytest.mark.parametrize("content", ["[", "[]", '{"core": "intermodal/core:1"}', '{"cores": "a@sha256:1"}'])
def test_a_lock_that_is_none_is_refused(home, content):
    Path("images.lock.json").write_text(content)
    with pytest.raises(UsageError, match="images.lock.json"):
        locked_images()


def test_manifests_are_what_the_custom_resources_ask_for(home, shared):
    import jsonschema

    text = render(load_pipeline(str(ROOT / "pipelines" / "reviews.py")), configured(EVERYTHING)).manifests("team")
    made = documents(text)
    assert [item["kind"] for item in made] == ["Pipeline", "PipelineVersion"]
    for item in made:
        plural = f"{item['kind'].lower()}s"
        resource = yaml.safe_load((shared / "crds" / f"pipelines.kubeflow.org_{plural}.yaml").read_text())
        jsonschema.validate(item, resource["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        assert item["metadata"]["namespace"] == "team"
    assert made[1]["spec"]["pipelineName"] == made[0]["metadata"]["name"]


def test_the_verb_writes_a_file_that_kfp_reads_back(home, capsys):
    from kfp import components

    from intermodal.cli.main import main

    Path("images.lock.json").write_text(json.dumps({"core": DIGEST}))
    assert main(["compile", launching.pipeline("line", "toy_pipelines.py"), "-o", "made/line.yaml", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["by_digest"] is True
    assert components.load_component_from_file("made/line.yaml").pipeline_spec.pipeline_info.name == "line"
    assert main(["compile", launching.pipeline("line", "toy_pipelines.py"), "--to", "kfp-manifest"]) == 0
    assert documents(capsys.readouterr().out)[1]["metadata"]["name"] == facts["version"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--to", "argo"], "kfp-manifest"),
        (["--json"], "-o FILE"),
    ],
)
def test_the_verb_refuses_what_it_cannot_do(home, capsys, words, part):
    from intermodal.cli.main import main

    assert main(["compile", launching.pipeline("line", "toy_pipelines.py"), *words]) == 2
    assert part in capsys.readouterr().err


def test_every_setting_is_in_the_documentation():
    from dataclasses import fields

    from intermodal.runtime.kubeflow.settings import KubeflowSettings, PodSettings

    page = (ROOT / "docs" / "kubeflow.md").read_text()
    names = {item.name for kind in (KubeflowSettings, PodSettings) for item in fields(kind)} - {"pods", "steps"}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_the_documented_settings_are_settings(home):
    page = (ROOT / "docs" / "kubeflow.md").read_text()
    settings = configured(page.partition("```toml\n")[2].partition("```")[0])
    assert settings.pod_of("train_pytorch").node_selector == {"pool": "gpu"}
    assert render(toy("line"), settings).spec.root.dag.tasks["make"].retry_policy.max_retry_count == 2
