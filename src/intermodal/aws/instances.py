"""Which machine of SageMaker a step is given: the smallest of a short table that has what the step needs.

The table holds current families that both training and processing jobs take, cheapest first within what
they offer. Cores and memory are the machine's own; SageMaker's agents need about half a GiB of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from intermodal.core.step import Needs
from intermodal.errors import UsageError

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_GIB = 2**30
_AGENTS = 0.5  # GiB that a container does not get
# Families with disks of their own: SageMaker refuses a key for the volume on them.
_WITH_DISK = re.compile(r"ml\.(g\d\w*|p4d\w*|p5\w*|trn\d\w*|inf\d\w*|[cmr]\d\w*d\w*)\.")
_WITH_ACCELERATORS = re.compile(r"ml\.(g|p|trn|inf)\d")


@dataclass(frozen=True)
class Instance:
    """One type of machine.

    Attributes:
        name: Such as "ml.m5.xlarge".
        cpu: Virtual cores.
        memory: GiB.
        gpu: Accelerators.
    """

    name: str
    cpu: int
    memory: int
    gpu: int = 0


TABLE = (
    Instance("ml.m5.large", 2, 8),
    Instance("ml.r5.large", 2, 16),
    Instance("ml.m5.xlarge", 4, 16),
    Instance("ml.r5.xlarge", 4, 32),
    Instance("ml.m5.2xlarge", 8, 32),
    Instance("ml.r5.2xlarge", 8, 64),
    Instance("ml.m5.4xlarge", 16, 64),
    Instance("ml.r5.4xlarge", 16, 128),
    Instance("ml.m5.12xlarge", 48, 192),
    Instance("ml.r5.12xlarge", 48, 384),
    Instance("ml.m5.24xlarge", 96, 384),
    Instance("ml.r5.24xlarge", 96, 768),
    Instance("ml.g4dn.xlarge", 4, 16, 1),
    Instance("ml.g4dn.2xlarge", 8, 32, 1),
    Instance("ml.g4dn.4xlarge", 16, 64, 1),
    Instance("ml.g4dn.8xlarge", 32, 128, 1),
    Instance("ml.g4dn.12xlarge", 48, 192, 4),
    Instance("ml.g5.24xlarge", 96, 384, 4),
    Instance("ml.g5.48xlarge", 192, 768, 8),
)


def instance_for(needs: Needs) -> str:
    """The smallest machine that has what a step needs.

    Args:
        needs: Cores, memory and accelerators, as Kubernetes writes them.

    Raises:
        UsageError: No machine of the table is large enough, or a quantity cannot be read.
    """
    cpu, memory = quantity(needs.cpu), quantity(needs.memory) / _GIB + _AGENTS
    for item in TABLE:
        if item.cpu >= cpu and item.memory >= memory and bool(item.gpu) == bool(needs.gpu) and item.gpu >= needs.gpu:
            return item.name
    raise UsageError(
        "no instance type of the table is large enough for this step",
        seen=f"cpu {needs.cpu}, memory {needs.memory}, gpu {needs.gpu}",
        expected=f"at most what {TABLE[-1].name} has",
        next_step='name one: [sagemaker.steps.NAME] instance_type = "ml.…"',
    )


def quantity(text: str) -> float:
    """A quantity as Kubernetes writes it ("500m", "2", "8Gi"), in cores or bytes.

    Raises:
        UsageError: It is not one.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(m|[kMGT]|[KMGT]i)?", text)
    if found is None:
        raise UsageError("a quantity cannot be read", seen=text, expected='such as "2", "500m" or "8Gi"')
    unit = found[2] or ""
    return float(found[1]) * (0.001 if unit == "m" else _UNITS[unit])


def has_accelerators(instance_type: str) -> bool:
    """Whether a machine has GPUs or AWS's own accelerators, by its family."""
    return _WITH_ACCELERATORS.match(instance_type) is not None


def has_own_disk(instance_type: str) -> bool:
    """Whether a machine's storage is its own disk, which no key of the customer can encrypt."""
    return _WITH_DISK.match(instance_type) is not None
