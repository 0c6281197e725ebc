"""The cases as data: what is run, and what every runtime must make of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PIPELINES = Path(__file__).with_name("pipelines.py")
OK, CACHED, FAILED, SKIPPED, CANCELLED = "SUCCEEDED", "CACHED", "FAILED", "SKIPPED", "CANCELLED"

_MANY = 9_007_199_254_740_991  # the largest whole number that JSON carries everywhere
_KINDS = {
    "text": 'it\'s "ünïcode" $HOME {{x}}\nnext',
    "number": _MANY,
    "share": 0.1,
    "flag": False,
    "items": [3, 1, 2],
    "options": {"a": 1.0, "b": 2.5},
}


@dataclass(frozen=True)
class Ended:
    """How one task must end.

    Attributes:
        state: SUCCEEDED, CACHED, FAILED, SKIPPED or CANCELLED.
        value: What it returns; None when it returns nothing.
        digests: Output artifact → digest.
    """

    state: str
    value: Any = None
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One pipeline, and what it must come to.

    Attributes:
        name: The case.
        pipeline: Its name in `pipelines.py`.
        about: What it shows, in a line.
        arguments: Pipeline arguments besides the mark.
        state: The run's state.
        tasks: Task → how it must end; several for the iterations of a loop, in any order.
        exit_code: The run's exit code.
        again: Run it a second time with the same arguments; everything must be remembered then.
        cancel: Tell it to stop once its first task is at work.
    """

    name: str
    pipeline: str
    about: str
    arguments: dict[str, Any] = field(default_factory=dict)
    state: str = OK
    tasks: dict[str, tuple[Ended, ...]] = field(default_factory=dict)
    exit_code: int = 0
    again: bool = False
    cancel: bool = False

    @property
    def reference(self) -> str:
        """How the pipeline is typed."""
        return f"{PIPELINES}:{self.pipeline}"


def _one(state: str = OK, value: Any = None, **digests: str) -> tuple[Ended, ...]:
    return (Ended(state, value, digests),)


CASES: tuple[Case, ...] = (
    Case(
        name="linear",
        pipeline="linear",
        about="artifacts passed on, with their digests; a second run is remembered",
        again=True,
        tasks={
            "numbers": _one(data="c69eb7da48c43eec089cb152c7a06df1208b9339c64f5fa3e2b5fba769ba30c8"),
            "spread": _one(parts="1dea8b376312e150ed9a0ce37e436b317ea6f4986c88cfebf3cf1808c4589acf"),
            "total": _one(value=45, metrics="84a599d04439cd0a5500595044e99db110e1ce8926725f548b0b803d07fb9f64"),
        },
    ),
    Case(
        name="branch",
        pipeline="branch",
        about="If, Elif, Else, and what takes the value of the one that ran",
        tasks={
            "double": _one(value=6),
            "say": _one(SKIPPED),
            "say-2": _one(value="some"),
            "say-3": _one(SKIPPED),
            "shout": _one(value="SOME"),
        },
    ),
    Case(
        name="loop",
        pipeline="loop",
        about="ParallelFor, with artifacts and values collected",
        tasks={
            "numbers": (
                Ended(OK, digests={"data": "fe9fd32be5aa6048e6650de4ac531fc207d85ea27f7b9ed7bf8478c6fb50f892"}),
                Ended(OK, digests={"data": "13ffcec9c44581be8082dfe3af49788994f931040815d020ec7b25865879dd4f"}),
                Ended(OK, digests={"data": "78b9d97462225810717cce887dd22d1ccafe0ee0d9efedb2b1063ecb3b8afb1e"}),
            ),
            "double": (Ended(OK, 2), Ended(OK, 4), Ended(OK, 6)),
            "merge": _one(value=3, merged="71151fb00a3366132c31d4669b4042490347d912a53627ed075036b468a2e0a6"),
            "add": _one(value=12),
        },
    ),
    Case(
        name="nested",
        pipeline="nested",
        about="one sub-pipeline used twice",
        tasks={
            "conformance-part--numbers": _one(data="c0c350eb87fff313b985c4134253f50e230a75570b83301c12da45b93139f59e"),
            "conformance-part--total": _one(
                value=6, metrics="c95f1a53548d952a870ee73419fc9e8b93030ace973c3e104ccaf24476d8890c"
            ),
            "conformance-part-2--numbers": _one(
                data="31df8c1255b9bc55332f642a0b8f268e23ee2375c451e9e58af5df8133efb276"
            ),
            "conformance-part-2--total": _one(
                value=15, metrics="d9542fc04aca231babfc9e235c43d705444c8729ba75e45745cf9880491136b9"
            ),
            "add": _one(value=21),
        },
    ),
    Case(
        name="exit-handler",
        pipeline="exit_handler",
        about="an exit handler after success",
        tasks={"say": _one(value="inside"), "reject": _one(SKIPPED), "closing": _one(value="SUCCEEDED")},
    ),
    Case(
        name="exit-handler-failed",
        pipeline="exit_handler",
        about="an exit handler after a failure; the run fails all the same",
        arguments={"wrong": True},
        state=FAILED,
        exit_code=3,
        tasks={"say": _one(value="inside"), "reject": _one(FAILED), "closing": _one(value="FAILED")},
    ),
    Case(
        name="failure",
        pipeline="failure",
        about="a step refuses its data: its own exit code, nothing after it",
        state=FAILED,
        exit_code=3,
        tasks={"say": _one(value="before"), "reject": _one(FAILED), "say-2": _one(SKIPPED)},
    ),
    Case(
        name="retry",
        pipeline="retry",
        about="set_retry: the third attempt goes well",
        tasks={"flaky": _one(value=2)},
    ),
    Case(
        name="retry-in-vain",
        pipeline="retry",
        about="set_retry: no more attempts than were asked for",
        arguments={"failures": 9},
        state=FAILED,
        exit_code=4,
        tasks={"flaky": _one(FAILED)},
    ),
    Case(
        name="cancel",
        pipeline="cancel",
        about="told to stop: everything stops, and says so",
        state=CANCELLED,
        exit_code=130,
        cancel=True,
        tasks={"wait": _one(CANCELLED), "say": _one(CANCELLED)},
    ),
    Case(
        name="types",
        pipeline="types",
        about="a parameter of every type, by default",
        tasks={"kinds": _one(value=json.dumps(list(_KINDS.values()), sort_keys=True))},
    ),
    Case(
        name="types-given",
        pipeline="types",
        about="a parameter of every type, given",
        arguments={"text": "", "number": -1, "share": 1e-9, "flag": True, "items": [], "options": {}},
        tasks={"kinds": _one(value=json.dumps(["", -1, 1e-9, True, [], {}]))},
    ),
)
