"""The command line's door: finds the verb, imports that verb alone, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence

from intermodal.errors import EXIT_INTERRUPTED, IntermodalError, UsageError

VERBS = {
    "run": "run a pipeline, and record everything",
    "images": "build the images that steps run in, push them, and record their digests",
    "compile": "write a pipeline as a file for Kubeflow, kubectl or SageMaker",
    "render": "print what a runtime would be sent, without sending it",
    "plan": "say for every task whether it would run, and why",
    "status": "list runs, or show one",
    "logs": "print what the tasks of a run printed",
    "resume": "continue a run that was interrupted or failed",
    "cancel": "stop a run, here or in the cluster",
    "reap": "find jobs and endpoints of dead runs on SageMaker, and stop them",
    "lineage": "show what an artifact was made from",
    "verify": "compare artifacts with their manifests, byte for byte",
    "step": "run one step on its own, or show its parameters",
    "serve": "answer questions to a trained model over HTTP",
    "endpoint": "see, ask, share out and delete endpoints on SageMaker",
    "model-package": "list, approve and reject models in SageMaker's registry",
    "report": "write a run's report page",
    "aws": "make what SageMaker needs in an account, look at it, and write the policies it takes",
    "init": "make a new project with one step and one pipeline",
    "conformance": "run the same small pipelines on a runtime, and compare with what they must come to",
    "doctor": "say what is missing for each runtime, and how to get it",
    "kubeflow-fake": "serve Kubeflow Pipelines' API on this machine, running pipelines for real",
    "kubernetes-fake": "serve a strict Kubernetes API on this machine, on which nothing runs",
    "sagemaker-local": "serve SageMaker's API on this machine, running jobs for real",
    "manifests": "check Kubernetes manifests, or put the digests of images into them",
    "regenerate": "write the files that are made from the steps, or check them",
}
HIDDEN = {
    "drift-captured": "look for drift in captured requests (what a monitoring schedule runs)",
    "task": "run one task from an ExecutorInput (what containers call)",
    "entry": "run one entry point of an MLproject (what MLflow's project backends call)",
    "train": "train as /opt/ml says (what SageMaker runs in our images for tunings and estimators)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words after the program's name; `sys.argv` by default.

    Returns:
        The exit code; see `intermodal.errors`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] in ("-V", "--version"):
        from intermodal import __version__

        print(f"intermodal {__version__}")
        return 0
    as_json = "--json" in words
    try:
        return _verb(words[0])(words[1:])
    except IntermodalError as error:
        return report_error(error, as_json=as_json)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def overview() -> str:
    """The text of `intermodal --help`."""
    width = max(len(verb) for verb in VERBS)
    lines = [f"  {verb.ljust(width)}  {text}" for verb, text in VERBS.items()]
    head = "Write a machine-learning step once; run it on a laptop, on Kubeflow, or on SageMaker."
    return "\n".join(
        [
            "usage: intermodal VERB …",
            "",
            head,
            "",
            "verbs:",
            *lines,
            "",
            "`intermodal VERB --help` says more. Every verb has --json.",
        ]
    )


def report_error(error: IntermodalError, *, as_json: bool) -> int:
    """Print an error the way the caller asked, and give its exit code."""
    if as_json:
        print(json.dumps({"error": error.to_json()}, indent=1))
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def new_parser(verb: str, **options: object) -> argparse.ArgumentParser:
    """A parser for one verb, with `--json` and the verb's line as its description."""
    text = {**VERBS, **HIDDEN}[verb]
    parser = _Parser(prog=f"intermodal {verb}", description=text[0].upper() + text[1:] + ".", **options)  # type: ignore[arg-type]
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are errors like all others."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(message, next_step=f"{self.prog} --help")


def _verb(name: str):  # type: ignore[no-untyped-def]
    if name not in VERBS and name not in HIDDEN:
        import difflib

        near = difflib.get_close_matches(name, VERBS, n=1)
        raise UsageError(
            "there is no such verb", seen=name, expected=", ".join(near or VERBS), next_step="intermodal --help"
        )
    return importlib.import_module(f"intermodal.cli.{name.replace('-', '_')}").main
