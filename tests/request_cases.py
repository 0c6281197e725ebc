"""Every kind of request that the package renders, each as a hypothesis strategy over what it is made from."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from intermodal.aws.account_setup import account_parts, all_requests
from intermodal.aws.athena import Query, query_request, workgroup_request
from intermodal.aws.data_settings import AthenaSettings, EmrSettings, RedshiftSettings
from intermodal.aws.deployment import deployment_of
from intermodal.aws.emr import PLACES, SparkJob, application_request, job_request
from intermodal.aws.emr_jobs import JobRun
from intermodal.aws.endpoints import render_deployment, update_request, weights_request
from intermodal.aws.glue import (
    PARQUET,
    RAW_TSV,
    Column,
    Partition,
    Table,
    database_request,
    partition_requests,
    table_request,
)
from intermodal.aws.model_packages import APPROVED, REJECTED, Told, approval_request, render_package
from intermodal.aws.monitoring import KINDS, ONCE, Monitor, every, schedule_request
from intermodal.aws.redshift import Sql, statement_request
from intermodal.aws.request import Request
from intermodal.aws.settings import SageMakerSettings
from intermodal.runtime.emr.render import render_spark_job
from intermodal.runtime.pipeline import Pipeline, load_pipeline
from intermodal.runtime.sagemaker.pipelines.definition import render_definition
from intermodal.runtime.sagemaker.pipelines.upsert import create_request
from intermodal.runtime.sagemaker.render import render_task
from request_strategies import (
    ARTIFACT,
    LETTERS,
    NAMES,
    SERVERS,
    SHORT,
    TAGS,
    WORDS,
    deployments,
    job_plans,
    jobs,
    managed_plans,
    named,
    near,
    transforms,
)
from sagemaker_plans import IMAGE, PLACE, STORE, a_plan, a_spec

PIPELINES = Path(__file__).parents[1] / "pipelines"
STATEMENTS = near(LETTERS + " :'\"=*").map(lambda text: f"S{text}")


@lru_cache(maxsize=1)
def script_folder() -> str:
    """A source directory of a user's, for script mode."""
    return str(Path(__file__).parent / "golden")


@lru_cache(maxsize=1)
def batch_pipeline() -> Pipeline:
    """A pipeline of the repository."""
    return load_pipeline(str(PIPELINES / "batch.py"))


@st.composite
def script_jobs(draw: st.DrawFn) -> list[Request]:
    job = replace(draw(jobs(("training",))), source_dir=script_folder(), entry_point="athena.sql", processes=0)
    options = draw(st.dictionaries(near(LETTERS, most=256), near(LETTERS, most=2498), max_size=20))
    own = {"input_mode": draw(st.sampled_from(["File", "FastFile", "Pipe"])), "metrics": {"loss": "loss=([0-9.]+)"}}
    spec = a_spec(("data",), job="training")
    return render_task(draw(named(a_plan(spec, replace(job, **own), parameters=options), most=256)))


@st.composite
def tunings(draw: st.DrawFn) -> list[Request]:
    names = draw(st.lists(st.sampled_from(["epochs", "learning_rate", "batch"]), min_size=1, unique=True))
    known: dict[str, Any] = {
        "epochs": {"type": "integer", "min": 1, "max": draw(st.sampled_from([2, 10**6]))},
        "learning_rate": {"type": "continuous", "min": 1e-9, "max": draw(st.floats(1e-8, 1e3)), "scale": "log"},
        "batch": {"type": "integer", "min": -5, "max": 5},
    }
    known["strategy"] = draw(st.lists(near(LETTERS, most=256), min_size=1, max_size=30, unique=True))
    ranges = {name: known[name] for name in [*names, "strategy"] if name != "batch"}
    given = {
        "train": "train_pytorch",
        "ranges": ranges,
        "trial_count": draw(st.sampled_from([1, 500])),
        "parallel": draw(st.sampled_from([1, 100])),
        "strategy": draw(st.sampled_from(["bayesian", "random", "hyperband"])),
        "max_seconds": draw(st.sampled_from([0, 1, 15_768_000])),
        "warm_start": draw(st.lists(near(LETTERS, most=32), max_size=5)),
        "early_stopping": draw(st.booleans()),
        "seed": draw(st.sampled_from([0, 2**31 - 1])),
    }
    return render_task(draw(managed_plans("tune", given)))


@st.composite
def automl_jobs(draw: st.DrawFn) -> list[Request]:
    problem = draw(st.sampled_from(["text", "tabular"]))
    chosen = draw(st.lists(st.sampled_from(["xgboost", "catboost", "mlp"]), max_size=3, unique=True))
    given = {
        "problem": problem,
        "candidates": draw(st.sampled_from([1, 250, 750])),
        "max_seconds": draw(st.sampled_from([0, 1, 10**6])),
        "metric": draw(st.sampled_from(["accuracy", "macro_f1"])),
        "algorithms": chosen if problem == "tabular" else [],
    }
    return render_task(draw(managed_plans("autopilot", given)))


@st.composite
def endpoints(draw: st.DrawFn) -> list[Request]:
    plan = draw(deployments())
    made = render_task(plan)
    deployment = deployment_of(plan)
    config = next(item for item in render_deployment(deployment) if item.operation == "CreateEndpointConfig")
    weights = draw(st.dictionaries(NAMES, st.floats(0, 1e6), max_size=9)) | {"champion": 1.0}
    return [*made, update_request(deployment, config, plan.task), weights_request(deployment.endpoint, weights)]


@st.composite
def packages(draw: st.DrawFn) -> list[Request]:
    given = {
        "group": draw(NAMES),
        "endpoint_instances": draw(st.lists(st.sampled_from(SERVERS), min_size=1, unique=True)),
        "transform_instances": ["ml.m5.xlarge"],
    }
    inputs = {"model": f"{ARTIFACT}/model"} | draw(st.sampled_from([{}, {"evaluation": f"{ARTIFACT}/evaluation"}]))
    plan = draw(managed_plans("package_model", given, **inputs))
    facts = draw(st.dictionaries(near(LETTERS, most=128), near(LETTERS), max_size=70))
    arn = f"arn:aws:sagemaker:us-east-1:{PLACE.account}:model-package/{given['group']}/1"
    approval = approval_request(arn, draw(st.sampled_from([APPROVED, REJECTED])), draw(near()))
    return [*render_task(plan), *render_package(plan, Told(facts, draw(near()))), approval]


@st.composite
def schedules(draw: st.DrawFn) -> list[Request]:
    job = draw(jobs())
    when = draw(st.sampled_from([ONCE, *(every(hours) for hours in (1, 7, 24))]))
    known = draw(st.sampled_from(["", f"{STORE}/reference.json"]))
    kind = draw(st.sampled_from(KINDS))
    monitor = Monitor(draw(NAMES), IMAGE, PLACE.role, f"{STORE}/m", known, when, kind, job, draw(TAGS))
    return [schedule_request(monitor)]


@st.composite
def pipelines(draw: st.DrawFn) -> list[Request]:
    job = replace(draw(jobs(("",))), instances=1, network_isolation=False)
    about = draw(near(most=1025) | near(LETTERS, lengths=(3071, 3072, 3073)))
    made = render_definition(batch_pipeline(), SageMakerSettings(job=job), PLACE)
    request = create_request(replace(made, description=about), draw(TAGS))
    changed = {name: value for name, value in request.items() if name not in ("ClientRequestToken", "Tags")}
    sent = {"CreatePipeline": request, "UpdatePipeline": changed}
    return [Request("sagemaker", operation, parameters) for operation, parameters in sent.items()]


@st.composite
def queries(draw: st.DrawFn) -> list[Request]:
    asked = AthenaSettings(
        workgroup=draw(near(LETTERS, most=128)),
        kms_key=draw(st.sampled_from(["", "alias/reviews"])),
        bytes_cutoff=draw(st.sampled_from([10_000_000, 10**15])),
    )
    query = Query(draw(STATEMENTS), draw(near(LETTERS, most=255)), asked.workgroup, f"{STORE}/r/", draw(WORDS))
    workgroups = [workgroup_request(asked, PLACE, update=update) for update in (False, True)]
    return [query_request(query, PLACE, draw(st.integers(1, 9))), *workgroups]


@st.composite
def tables(draw: st.DrawFn) -> list[Request]:
    columns = tuple(map(Column, draw(st.lists(near(LETTERS, most=255), max_size=9, unique=True))))
    form = draw(st.sampled_from([PARQUET, RAW_TSV]))
    database, name = draw(near(LETTERS, most=255)), draw(near(LETTERS, most=255))
    table = Table(database, name, f"{STORE}/t", columns, form, (Column("p"),))
    parts = [
        Partition((value,), f"{STORE}/t/{value}") for value in draw(st.lists(near(LETTERS, most=1024), max_size=3))
    ] * 60
    both = [item for update in (False, True) for item in partition_requests(table, parts, update=update)]
    changes = [table_request(table, update=update) for update in (False, True)]
    given = {"table": draw(st.sampled_from(["", name])), "database": draw(st.sampled_from(["", database]))}
    step = render_task(draw(managed_plans("glue_table", given, data=f"{ARTIFACT}/reviews")))
    return [database_request(database, draw(near(LETTERS, most=1024))), *changes, *both, *step]


@st.composite
def statements(draw: st.DrawFn) -> list[Request]:
    bound = draw(st.dictionaries(near(LETTERS, most=64), near(), max_size=9))
    places = (RedshiftSettings(workgroup="work"), RedshiftSettings(cluster="reviews", db_user="reader"))
    sql = Sql(draw(STATEMENTS), bound)
    asked = [statement_request(sql, place, draw(WORDS), draw(near(LETTERS, most=500))) for place in places]
    given = {"sql": sql.text, "parameters": bound}
    return [*asked, *render_task(draw(managed_plans("query_redshift", given)))]


@st.composite
def spark_jobs(draw: st.DrawFn) -> list[Request]:
    emr = EmrSettings(application="00abc1", virtual_cluster="vc1", executors=draw(st.sampled_from([1, 1000])))
    tags = draw(st.dictionaries(SHORT, SHORT, max_size=40))
    words = tuple(draw(st.lists(near(LETTERS), max_size=9)))
    options = {f"spark.{name}": text for name, text in draw(st.dictionaries(SHORT, near(LETTERS), max_size=5)).items()}
    job = SparkJob(draw(WORDS), f"{STORE}/a.py", words, IMAGE, options, draw(st.just({"A": "b"})), tags=tags)
    runs = [job_request(where, job, emr, PLACE, draw(st.integers(1, 10**6))) for where in PLACES]
    looks = [JobRun(where, "00abc1", "00run1").request(verb) for where in PLACES for verb in ("describe", "cancel")]
    return [*runs, *looks, application_request(draw(near(LETTERS, most=64)), IMAGE, "emr-7.9.0")]


@st.composite
def spark_steps(draw: st.DrawFn) -> list[Request]:
    longest = draw(st.sampled_from([1, 3600, 5 * 24 * 3600]))
    emr = EmrSettings(application="00abc1", virtual_cluster="vc1", max_runtime=longest)
    plan = draw(job_plans("processing"))
    plain = {name: value.replace("\n", " ") for name, value in plan.job.env.items()}  # Spark's options are one line
    spec = replace(plan.spec, needs=replace(plan.spec.needs, image="spark"))
    plan = replace(plan, spec=spec, settings=replace(plan.settings, job=replace(plan.job, env=plain)))
    return [render_spark_job(plan, where, emr).request for where in PLACES]


@st.composite
def account(draw: st.DrawFn) -> list[Request]:
    place = replace(PLACE, region=draw(st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1"])))
    parts = account_parts(place)
    ours = {"Role": {"Tags": [{"Key": "intermodal", "Value": "1"}], "AssumeRolePolicyDocument": {}}}
    changed = [request for part in parts if part.name.startswith("role ") for request in part.wanted(ours)]
    return [*all_requests(place), *(part.look for part in parts), *changed]


CASES: dict[str, st.SearchStrategy[list[Request]]] = {
    "processing": job_plans("processing").map(render_task),
    "training": job_plans("training").map(render_task),
    "script mode": script_jobs(),
    "tuning": tunings(),
    "AutoML": automl_jobs(),
    "transform": transforms().map(render_task),
    "endpoint": endpoints(),
    "model package": packages(),
    "schedule": schedules(),
    "pipeline": pipelines(),
    "Athena": queries(),
    "Glue": tables(),
    "Redshift": statements(),
    "EMR": spark_jobs(),
    "step on EMR": spark_steps(),
    "account": account(),
}
