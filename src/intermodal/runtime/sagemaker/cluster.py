"""How many processes call a step's function, and where: one here, several here, or several on each host of a job."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass

from intermodal.core.hosts import Hosts, count_gpus, free_port, hosts_here
from intermodal.core.step import StepSpec
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.job_files import JOB_VARIABLE

VARIABLE = "INTERMODAL_PROCESSES"
_PORTS = 29_400, 1_000  # from torchrun's own choice on
_RENDEZVOUS_SECONDS = 900  # hosts start, and fetch their inputs, at different times


@dataclass(frozen=True)
class Cluster:
    """The processes of one step.

    Attributes:
        hosts: The hosts.
        processes: Processes on each.
    """

    hosts: Hosts
    processes: int = 1

    @property
    def size(self) -> int:
        """Processes in all."""
        return len(self.hosts.names) * self.processes

    @property
    def several_hosts(self) -> bool:
        """Whether there is more than one host."""
        return len(self.hosts.names) > 1

    @property
    def port(self) -> int:
        """Where the hosts of this job meet: each job has a port, should several share a machine."""
        name = os.environ.get("TRAINING_JOB_NAME") or os.environ.get(JOB_VARIABLE, "")
        return _PORTS[0] + 2 * (zlib.crc32(name.encode()) % _PORTS[1])

    def arguments(self) -> list[str]:
        """Options of torchrun on this host: who the others are, and where all meet."""
        address, port = (self.hosts.names[0], self.port) if self.several_hosts else ("127.0.0.1", free_port())
        return [
            f"--nnodes={len(self.hosts.names)}",
            f"--nproc-per-node={self.processes}",
            f"--node-rank={self.hosts.number}",
            f"--master-addr={address}",
            f"--master-port={port}",
            "--rdzv-backend=static",
            f"--rdzv-conf=timeout={_RENDEZVOUS_SECONDS}",
            "--max-restarts=0",
            "--monitor-interval=0.2",
        ]

    def environment(self) -> dict[str, str]:
        """Variables by which gloo and NCCL choose the network between the processes."""
        interface = self.hosts.interface if self.several_hosts else "lo"
        return dict.fromkeys(("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"), interface)


def cluster_of(spec: StepSpec) -> Cluster:
    """The processes that call a step's function.

    Inside a training job each host has one process for every GPU, and one without; elsewhere there is one. The
    variable INTERMODAL_PROCESSES says another number.

    Args:
        spec: The step.

    Raises:
        UsageError: The step cannot share its work over the hosts of this job, or the number is wrong.
    """
    hosts, wanted = hosts_here(), _wanted()
    if len(hosts.names) > 1 and not spec.needs.parallel:
        raise UsageError(
            f"step {spec.name} cannot share its work over several hosts",
            seen=f"{len(hosts.names)} hosts",
            expected="one",
            next_step=f"set sagemaker.steps.{spec.name}.instances = 1",
        )
    if spec.needs.parallel != "processes":
        if wanted > 1 and not spec.needs.parallel:
            print(f"{VARIABLE}={wanted} is ignored: step {spec.name} works in one process", flush=True)
        return Cluster(hosts)
    in_job = bool(hosts.config.get("current_instance_type")) or len(hosts.names) > 1
    return Cluster(hosts, wanted or (max(1, count_gpus()) if in_job else 1))


def _wanted() -> int:
    text = os.environ.get(VARIABLE) or "0"
    if not text.isdigit():
        raise UsageError(f"{VARIABLE} is not a number of processes", seen=text, expected="1 or more")
    return int(text)
