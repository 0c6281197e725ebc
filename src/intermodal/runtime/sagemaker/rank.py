"""One of the processes that share a step's work: it meets the others, calls the function, and says how it went.

python -m intermodal.runtime.sagemaker.rank FOLDER, started by torchrun.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from intermodal.core.child import die_with
from intermodal.core.events import JOURNAL_VARIABLE
from intermodal.core.registry import load_function
from intermodal.errors import IntermodalError, Interrupted
from intermodal.runtime.failure import failure_of
from intermodal.runtime.sagemaker.distributed import FIRST_PROCESS

_TOGETHER = timedelta(hours=2)  # the first process may fit a linear model while the others wait
_AT_THE_END = timedelta(minutes=10)
_PATIENCE = 20  # seconds that a process which was told to stop goes on for the first one's last checkpoint
_FIRST_FAILURE = "intermodal/failure"


def main(folder: Path) -> int:
    """Do this process' share.

    Args:
        folder: Where the settings lie, and failures are noted.

    Returns:
        0, or the exit code of the error.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    die_with(os.getppid())
    _listen(rank)
    if rank == 0:
        _write(folder / FIRST_PROCESS, str(os.getpid()))
    settings = json.loads((folder / "settings.json").read_text())
    store: Any = None
    try:
        store = _meet(rank, size)
        _call(settings, rank, folder)
        _part()
    except BaseException as error:  # a process that ends the interpreter must say so too
        failure = failure_of(error, settings["step"].rpartition(":")[2])
        _note(folder, rank, size, failure, store)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(failure.exit_code)  # no waiting for threads that talk to processes which are gone
    return 0


def _listen(rank: int) -> None:
    """The first process is interrupted and saves its state; the others go on until it has."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if rank:
            signal.alarm(_PATIENCE)
            return
        raise Interrupted("the task was told to stop", next_step="run the same command again to continue")

    signal.signal(signal.SIGTERM, interrupt)


def _meet(rank: int, size: int) -> Any:
    """Find the others at the store that torchrun keeps on the first host."""
    from intermodal.text.compute import prepare_threads

    prepare_threads()
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and rank == 0
    store = distributed.TCPStore(
        os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=hosted, wait_for_workers=False
    )
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    group = distributed.PrefixStore("intermodal/group", store)
    distributed.init_process_group(backend, store=group, rank=rank, world_size=size, timeout=_TOGETHER)
    return store


def _call(settings: dict[str, Any], rank: int, folder: Path) -> None:
    from kfp.dsl.executor import Executor

    given = copy.deepcopy(settings["given"])
    if rank:
        for variable in (JOURNAL_VARIABLE, "INTERMODAL_TENSORBOARD"):  # one tells for all
            os.environ.pop(variable, None)
    if os.environ["LOCAL_RANK"] != "0":  # the first process of each host leaves what its wrapper looks at
        scratch = folder / f"rank-{rank}"
        scratch.mkdir()
        for name, value in given["outputs"].get("artifacts", {}).items():
            value["artifacts"][0]["uri"] = str(scratch / name)
        given["outputs"]["outputFile"] = str(scratch / "executor_output.json")
    Executor(executor_input=given, function_to_execute=load_function(settings["step"])).execute()


def _part() -> None:
    """Wait until all are done, so that none is taken for lost."""
    from torch import distributed

    distributed.monitored_barrier(timeout=_AT_THE_END)
    distributed.destroy_process_group()


def _note(folder: Path, rank: int, size: int, failure: IntermodalError, store: Any) -> None:
    """Note why this process failed; of several hosts' failures the first is everybody's."""
    told = json.dumps({"rank": rank, "size": size, "time": time.time(), "error": failure.to_json()})
    if store is not None and not isinstance(failure, Interrupted):
        with contextlib.suppress(Exception):  # the store goes with the first host
            told = store.compare_set(_FIRST_FAILURE, "", told).decode() or told
    _write(folder / f"failure-{rank}.json", told)


def _write(path: Path, text: str) -> None:
    hidden = path.with_name(f".{path.name}")
    hidden.write_text(text)
    hidden.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
