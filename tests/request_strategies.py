"""What requests are made from, for hypothesis: settings that go together, names and texts near AWS's limits."""

from __future__ import annotations

from dataclasses import replace
from string import ascii_letters, digits
from typing import Any

from hypothesis import strategies as st

from intermodal.aws.request import TaskPlan
from intermodal.aws.settings import JobSettings
from intermodal.core.registry import load_spec
from intermodal.runtime.keys import complete_parameters
from sagemaker_plans import STORE, a_plan, a_spec

ARTIFACT = f"{STORE}/artifacts/train/01-ab"
LETTERS = "abcdfghjlmnr"  # no name made of these looks as if it named a secret
LIMITS = (32, 63, 64, 256, 512, 1024, 2500)
NEAR = (1, 2, *(limit + beside for limit in LIMITS for beside in (-1, 0, 1)))
OWN_DISKS = ("ml.g5.xlarge", "ml.g4dn.xlarge")
MACHINES = ("ml.m5.large", "ml.m5.xlarge", "ml.c5.2xlarge", "ml.t3.medium", *OWN_DISKS)
SERVERS = ("ml.m5.large", "ml.c5.2xlarge", "ml.g5.xlarge", "ml.inf2.xlarge", "ml.t2.medium", "ml.r5.24xlarge")


def near(letters: str = "", lengths: tuple[int, ...] = NEAR, most: int = 10**6) -> st.SearchStrategy[str]:
    """Texts as long as a limit, one more or one less; of any characters by default."""
    parts = st.text(letters, min_size=1, max_size=9) if letters else st.text(min_size=1, max_size=9)
    sizes = st.sampled_from([size for size in lengths if size <= most])
    return st.builds(lambda part, size: (part * size)[:size], parts, sizes)


WORDS = near(ascii_letters + digits + "-_ äß.")
NAMES = st.builds(str.__add__, st.sampled_from(ascii_letters), near(ascii_letters + digits, most=62) | st.just(""))
IDENTIFIERS = near(LETTERS, most=64)
SHORT = st.text(LETTERS + digits + "_-", min_size=1, max_size=30)
PRINTABLE = near("".join(map(chr, range(33, 127))), most=256)
ENVIRONMENTS = st.dictionaries(st.from_regex(r"X[A-Z_]{0,9}", fullmatch=True), near(most=256), max_size=4)
TAGS = st.dictionaries(SHORT, PRINTABLE.map(lambda text: "".join(c for c in text if c.isalnum())), max_size=44)
KEYS = st.sampled_from(["", "alias/reviews", "k" * 2048])
OUTPUT_KEYS = st.sampled_from(["", "alias/reviews", "k" * 256])  # jobs are told it in a variable
VALUES = st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False), near(), st.lists(SHORT, max_size=3))
PARAMETERS = st.dictionaries(IDENTIFIERS, VALUES, max_size=8)


@st.composite
def jobs(draw: st.DrawFn, kinds: tuple[str, ...] = ("", "processing", "training")) -> JobSettings:
    """Settings of which none forbids another, and each is one that SageMaker takes."""
    machine = draw(st.sampled_from(("", *MACHINES)))
    spot, inside = draw(st.booleans()), draw(st.booleans())
    longest = draw(st.sampled_from([1, 3600, 431_999, 432_000]))
    return JobSettings(
        kind=draw(st.sampled_from(kinds)),
        instance_type=machine,
        instances=draw(st.sampled_from([1, 2, 99, 100])),
        volume_gb=draw(st.sampled_from([1, 30, 16_384])),
        max_runtime=longest,
        input_mode=draw(st.sampled_from(["File", "FastFile"])),
        subnets=[f"subnet-{number}" for number in range(draw(st.integers(1, 16)))] if inside else [],
        security_groups=[f"sg-{number}" for number in range(draw(st.integers(1, 5)))] if inside else [],
        network_isolation=draw(st.booleans()),
        encrypt_traffic=draw(st.booleans()),
        volume_kms_key="" if machine in OWN_DISKS else draw(KEYS),
        output_kms_key=draw(OUTPUT_KEYS),
        spot=spot,
        max_wait=draw(st.sampled_from([0, longest])) if spot else 0,
        warm_pool=0 if spot else draw(st.sampled_from([0, 1, 3600])),
        attempts=draw(st.integers(0, 30)),
        **{name: draw(st.booleans()) for name in ("checkpoints", "debugger", "profiler", "tensorboard")},
        processes=draw(st.integers(0, 8)),
        env=draw(ENVIRONMENTS),
    )


@st.composite
def job_plans(draw: st.DrawFn, kind: str, job: JobSettings | None = None) -> TaskPlan:
    """A task whose step is a job of ours."""
    names = tuple(draw(st.lists(near(ascii_letters + "äλ_", most=90), max_size=4, unique=True)))
    inputs = {name: tuple(f"{ARTIFACT}/{number}" for number in range(draw(st.integers(0, 2)))) for name in names}
    given = job or draw(jobs(("", kind)))
    sharded = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
    # A list of every sharded input is a variable of the job, and so has a limit of its own.
    given = replace(given, sharded=sharded if len(",".join(sharded)) <= 256 else [])
    spec = a_spec(names, job=kind, target=draw(near(ascii_letters + ":. ")))
    plan = a_plan(spec, given, inputs=inputs, parameters=draw(PARAMETERS), settings={"tags": draw(TAGS)})
    return draw(named(plan, most=256))


@st.composite
def named(draw: st.DrawFn, plan: TaskPlan, most: int = 10**6) -> TaskPlan:
    """The same plan of another pipeline, task, run and attempt."""
    task = draw(near(ascii_letters + digits + "-", most=most))
    attempt = draw(st.sampled_from([1, 2, 10**6]))
    return replace(plan, pipeline=draw(WORDS), task=task, run_id=draw(WORDS), attempt=attempt)


@st.composite
def managed_plans(draw: st.DrawFn, step: str, given: dict[str, Any], **inputs: str) -> TaskPlan:
    """A task of a step of the catalogue whose work a service does."""
    job = replace(draw(jobs(("",))), kind="", instances=1)
    brought = {name: (uri,) for name, uri in inputs.items()}
    spec = load_spec(step)
    parameters = complete_parameters(spec, given)
    more = {"inputs": brought} if brought else {}
    plan = a_plan(spec, job, settings={"tags": draw(TAGS)}, parameters=parameters, **more)
    return draw(named(plan))


@st.composite
def deployments(draw: st.DrawFn) -> TaskPlan:
    """A deployment: one variant or two or a shadow, or without machines; with everything that it may have."""
    shape = draw(st.sampled_from(["alone", "challenger", "shadow", "serverless"]))
    serverless = shape == "serverless"
    kind = draw(st.sampled_from(["all_at_once", "canary", "linear"]))
    percent = draw(st.sampled_from([1, 10, 49, 50] + [100] * (kind == "all_at_once")))
    shifts = {"all_at_once": 2, "canary": 3}.get(kind, -(-100 // percent) + 1)
    instances = draw(st.sampled_from([1, 2, 50]))
    given = {
        "endpoint": draw(NAMES),
        "challenger_weight": draw(st.floats(0.001, 0.999)),
        "instance_type": draw(st.sampled_from(SERVERS)),
        "instances": instances,
        "most_instances": 0 if serverless else draw(st.sampled_from([0, instances, instances + 50])),
        "invocations_per_instance": draw(st.sampled_from([1, 0.5, 100_000])),
        "serverless_memory": draw(st.sampled_from(range(1024, 6145, 1024))) if serverless else 0,
        "serverless_concurrency": draw(st.sampled_from([1, 5, 200])),
        "capture_percent": 0 if serverless else draw(st.sampled_from([0, 1, 100])),
        "rollout": kind,
        "rollout_percent": percent,
        "rollout_wait": draw(st.sampled_from([0, 1, min(3600, 25_000 // shifts)])),
        "rollback_alarms": draw(st.lists(near(ascii_letters, most=255), max_size=10)),
        "uncompressed": False if serverless else draw(st.booleans()),
    }
    other = {shape: f"{ARTIFACT}/other"} if shape in ("challenger", "shadow") else {}
    plan = draw(managed_plans("deploy", given, model=f"{ARTIFACT}/model", **other))
    job = replace(plan.job, instance_type="")  # else it wins over the step's own parameter
    if serverless:
        job = replace(job, subnets=[], security_groups=[], network_isolation=False)
    return replace(plan, settings=replace(plan.settings, job=job))


@st.composite
def transforms(draw: st.DrawFn) -> TaskPlan:
    """A batch transform whose requests at once fit together."""
    payload = draw(st.sampled_from([1, 6, 100]))
    given = {
        "payload_mb": payload,
        "at_once": draw(st.sampled_from([1, 100 // payload])),
        "instance_type": draw(st.sampled_from(["ml.m5.xlarge", "ml.g4dn.xlarge", "ml.c4.8xlarge"])),
    }
    inputs = {"model": f"{ARTIFACT}/model", "reviews": f"{ARTIFACT}/reviews"}
    plan = draw(managed_plans("transform", given, **inputs))
    job = replace(plan.job, instance_type="", instances=draw(st.sampled_from([1, 100])))
    return replace(plan, settings=replace(plan.settings, job=job))
