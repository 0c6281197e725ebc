"""`intermodal step`: run one step on its own, or show its parameters."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

if TYPE_CHECKING:
    from intermodal.core.step import StepSpec
    from intermodal.runtime.entry import Work


def main(arguments: Sequence[str]) -> int:
    """Run one step, or list the steps.

    Args:
        arguments: The words after the verb: a step's name, then its flags.

    Returns:
        The exit code.
    """
    words = list(arguments)
    if not words or words[0].startswith("-"):
        return _list_steps(words)
    if not any(word == "--on" or word.startswith("--on=") for word in words):
        # kfp then imports only what executing needs, which keeps `--help` fast.
        os.environ.setdefault("_KFP_RUNTIME", "true")
    _add_working_directory()
    from intermodal.core.registry import load_spec

    spec = load_spec(words[0])
    options = _parser(words[0], spec).parse_args(words[1:])
    return _run(spec, options)


def _run(spec: StepSpec, options: argparse.Namespace) -> int:
    from intermodal.cli.present import finish, observer_for
    from intermodal.core.config import load_settings
    from intermodal.core.values import from_text
    from intermodal.runtime.single import run_single

    given = vars(options)
    settings = load_settings()
    if options.on != "local":
        record = _elsewhere(spec, options)(observer_for(as_json=options.json, quiet=options.quiet))
        return finish(record, settings, as_json=options.json)
    parameters: dict[str, Any] = {
        item.name: from_text(item.name, item.type, given[_key(item.name)])
        for item in spec.parameters
        if given[_key(item.name)] is not None
    }
    inputs = {item.name: given[_key(item.name)] for item in spec.inputs if given[_key(item.name)]}
    record = run_single(
        spec,
        parameters,
        {name: _resolved(value) for name, value in inputs.items()},
        settings,
        observer_for(as_json=options.json, quiet=options.quiet),
        mode="in-process" if options.debug else "subprocess",
        use_cache=not options.no_cache,
    )
    return finish(record, settings, as_json=options.json)


def _elsewhere(spec: StepSpec, options: argparse.Namespace) -> Work:
    """Have everything checked, and say how the step is run as a pipeline of one task on another runtime."""
    from intermodal.core.config import load_settings
    from intermodal.runtime.entry import STEP, EntryRequest, prepare

    if options.debug:
        raise UsageError("this flag is for steps on this machine", seen=f"--debug --on {options.on}")
    names = [*(item.name for item in spec.inputs), *(item.name for item in spec.parameters)]
    arguments = {name: text for name in names if (text := vars(options)[_key(name)]) is not None}
    request = EntryRequest(STEP, spec.target, arguments, options.on, use_cache=not options.no_cache)
    return prepare(request, load_settings())


def _parser(name: str, spec: StepSpec) -> argparse.ArgumentParser:
    parser = new_parser("step", epilog=_epilog(spec), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.prog = f"intermodal step {name}"
    parser.description = spec.summary
    inputs = parser.add_argument_group("input artifacts (a URI, or TASK.OUTPUT of an earlier run)")
    for slot in spec.inputs:
        text = f"{slot.doc} [{slot.schema.removeprefix('system.')}{', optional' if slot.optional else ''}]"
        inputs.add_argument(f"--{slot.name}", dest=_key(slot.name), metavar="URI", default=None, help=_plain(text))
    parameters = parser.add_argument_group("parameters")
    for item in spec.parameters:
        default = "required" if item.required else f"default: {item.default!r}"
        parameters.add_argument(
            f"--{item.name}",
            dest=_key(item.name),
            metavar=item.type.__name__.upper(),
            default=None,
            help=_plain(f"{item.doc} [{item.type.__name__}, {default}]"),
        )
    parser.add_argument("--on", default="local", metavar="RUNTIME", help="where to run (default: local)")
    parser.add_argument("--debug", action="store_true", help="run the step in this process, so that breakpoint() works")
    parser.add_argument("--no-cache", action="store_true", help="repeat the work, and remember the new result")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the result, and why a task failed")
    return parser


def _epilog(spec: StepSpec) -> str:
    needs = spec.needs
    lines = ["output artifacts:"]
    lines += [f"  {slot.name}  {slot.doc} [{slot.schema.removeprefix('system.')}]" for slot in spec.outputs] or [
        "  none"
    ]
    if spec.returns:
        lines.append("returns: " + ", ".join(spec.returns))
    extra = [f"gpu {needs.gpu}"] if needs.gpu else []
    extra += [f"needs {', '.join(needs.capabilities)}"] if needs.capabilities else []
    lines.append(
        f"runs in image family {needs.image}: " + ", ".join([f"cpu {needs.cpu}", f"memory {needs.memory}", *extra])
    )
    return "\n".join(lines)


def _list_steps(words: list[str]) -> int:
    from intermodal.core.registry import known_steps

    parser = new_parser("step", epilog="`intermodal step NAME --help` shows one step.")
    parser.usage = "intermodal step [NAME] …"
    options = parser.parse_args(words)
    steps = known_steps()
    if options.json:
        import json

        print(json.dumps({"steps": steps}, indent=1))
        return 0
    width = max(len(name) for name in steps)
    print("\n".join(f"{name.ljust(width)}  {target}" for name, target in sorted(steps.items())))
    return 0


def _resolved(value: str) -> str:
    """An artifact named in any way becomes its URI; what is no artifact of ours stays a path."""
    from intermodal.core.config import load_settings
    from intermodal.runtime.artifact_names import resolve_artifact

    if "://" in value or os.path.exists(value):
        return value if "://" in value else os.path.abspath(value)
    return resolve_artifact(value, load_settings())


def _add_working_directory() -> None:
    """Let a step module in the working directory be imported, as for `python -m`."""
    import sys

    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _key(name: str) -> str:
    return f"step_{name}"  # a parameter may be called json, or debug


def _plain(text: str) -> str:
    return text.replace("%", "%%")
