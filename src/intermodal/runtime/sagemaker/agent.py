"""The process that is torchrun on one host: it starts the others, ends all when one fails, and notes who was killed.

python -m intermodal.runtime.sagemaker.agent FOLDER [torchrun's options]
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

_WORKER = "intermodal.runtime.sagemaker.rank"


def main(folder: str, *options: str) -> int:
    """Run torchrun to its end.

    Args:
        folder: Where the settings lie, and where it is noted who was killed.
        *options: As torchrun takes them.

    Returns:
        0 when every process ended well.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    try:
        run(parse_args([*options, "--module", _WORKER, folder]))
    except ChildFailedError as error:
        killed = {rank: -one.exitcode for rank, one in error.failures.items() if one.exitcode < 0}
        # One that ends another is no cause: torchrun ends the rest with SIGTERM.
        told = {str(rank): number for rank, number in killed.items() if number != signal.SIGTERM}
        if told:
            (Path(folder) / "killed.json").write_text(json.dumps(told))
        return 1
    except SignalException:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
