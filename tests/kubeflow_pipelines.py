"""Pipelines of plain KFP components that need nothing but a shell, for tests of the fake Kubeflow."""

from kfp import dsl

IMAGE = "python:3.11-slim-bookworm"


@dsl.container_component
def write(data: dsl.Output[dsl.Dataset], text: str, seconds: float = 0.0):
    """Write a text, after some seconds."""
    script = 'echo "writing $0"; sleep "$2"; printf %s "$0" > "$1"; echo written'
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-ec", script], args=[text, data.path, seconds])


@dsl.container_component
def copy(data: dsl.Input[dsl.Dataset], copied: dsl.Output[dsl.Dataset], size: dsl.OutputPath(int)):
    """Copy a file, and give out its size."""
    script = 'cat "$0" > "$1"; wc -c < "$0" | tr -d " \\n" > "$2"'
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-ec", script], args=[data.path, copied.path, size])


@dsl.container_component
def shell(script: str):
    """Run a script."""
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-ec"], args=[script])


@dsl.container_component
def answer(made: dsl.Output[dsl.Model], text: dsl.OutputPath(str), script: str):
    """Run a script that knows where its outputs and its answer go."""
    command = [
        "sh",
        "-ec",
        'MADE="$0" URI="$1" TEXT="$2" ANSWER="$(dirname "$(dirname "$2")")/output_metadata.json"; eval "$3"',
    ]
    return dsl.ContainerSpec(image=IMAGE, command=command, args=[made.path, made.uri, text, script])


@dsl.container_component
def words(
    data: dsl.Input[dsl.Dataset],
    model: dsl.Output[dsl.Model],
    count: dsl.OutputPath(int),
    text: str,
    number: float = 2.0,
    extra: str = None,
):
    """A command with every kind of placeholder."""
    return dsl.ContainerSpec(
        image="an-image",
        command=["run", text, number, data.uri, data.path, model.uri, model.path, count],
        args=[
            dsl.ConcatPlaceholder(["--text=", text]),
            dsl.IfPresentPlaceholder(input_name="extra", then=["--extra", extra], else_=["--plain"]),
            "{{$.pipeline_job_uuid}}",
            "{{$}}",
        ],
    )


@dsl.pipeline(name="pair")
def pair(text: str = "some text", seconds: float = 0.0):
    """A file, and a copy of it."""
    copy(data=write(text=text, seconds=seconds).outputs["data"])


@dsl.pipeline(name="scripted")
def scripted(script: str = "true"):
    """A script, and one after it."""
    first = shell(script=script)
    shell(script="echo after").after(first)


@dsl.pipeline(name="half-broken")
def half_broken(script: str):
    """A script, and a failure after it."""
    first = shell(script=script)
    shell(script="exit 1").after(first)


@dsl.pipeline(name="answered")
def answered(script: str):
    """A script that answers as KFP's executor would."""
    answer(script=script)


@dsl.pipeline(name="tried-again")
def tried_again(script: str):
    """A script that may be tried three times."""
    shell(script=script).set_retry(num_retries=2, backoff_duration="0s")


@dsl.pipeline(name="cleaned")
def cleaned(folder: str, script: str = "true"):
    """A script, and one that runs whatever became of it."""
    with dsl.ExitHandler(shell(script=f"echo closed >> {folder}/closed").set_caching_options(False)):
        shell(script=script)


@dsl.pipeline(name="settled")
def settled():
    """A script with settings of its pod: secrets, config maps, fields, labels, a variable, a deadline."""
    from kfp import kubernetes

    script = 'env | grep -E "^(OWN|PASSWORD|REGION|RUN|POD|TEAM|NAMESPACE|KFP_POD_NAME|OUTSIDE)=" | sort'
    task = shell(script=script).set_env_variable("OWN", "own")
    kubernetes.use_secret_as_env(task, "database", {"password": "PASSWORD"})
    kubernetes.use_config_map_as_env(task, "place", {"region": "REGION"})
    kubernetes.use_field_path_as_env(task, "RUN", "metadata.labels['pipeline/runid']")
    kubernetes.use_field_path_as_env(task, "POD", "metadata.name")
    kubernetes.use_field_path_as_env(task, "TEAM", "metadata.labels['team']")
    kubernetes.add_pod_label(task, "team", "reviews")
    kubernetes.set_timeout(task, 600)


@dsl.pipeline(name="overdue")
def overdue():
    """A script that takes longer than its pod may."""
    from kfp import kubernetes

    kubernetes.set_timeout(shell(script="sleep 600"), 1)


@dsl.pipeline(name="looped")
def looped(script: str):
    """A script, four times."""
    with dsl.ParallelFor([1, 2, 3, 4]):
        shell(script=script).set_caching_options(False)


@dsl.pipeline(name="gated")
def gated(folder: str):
    """A script that counts, and one that fails until a gate is there; nothing is cached."""
    first = shell(script=f"echo x >> {folder}/count").set_caching_options(False)
    shell(script=f"test -e {folder}/gate").after(first).set_caching_options(False)
