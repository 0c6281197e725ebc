"""What a training script finds: the environment variables, files and arguments of AWS's training toolkit.

A pure function of what is given, so that a script meets the same on a laptop, in a pod and in a SageMaker job.
Names and forms are those of github.com/aws/sagemaker-training-toolkit, ENVIRONMENT_VARIABLES.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.core.hosts import Hosts

_LOG_LEVEL = 20


@dataclass(frozen=True)
class Script:
    """A script and what it is given.

    Attributes:
        entry_point: The script, relative to `code`.
        code: Its directory.
        hyperparameters: Its options.
        channels: Directory of each channel.
        model: Directory that the model goes to.
        output: Directory that everything else it makes goes to.
        work: Directory of what stands in the place of /opt/ml, but for the two above.
        hosts: Who takes part.
        cpus: Processors of this host.
        gpus: Its GPUs.
    """

    entry_point: str
    code: Path
    hyperparameters: Mapping[str, Any]
    channels: Mapping[str, Path]
    model: Path
    output: Path
    work: Path
    hosts: Hosts
    cpus: int = 1
    gpus: int = 0

    @property
    def failure(self) -> Path:
        """Where a script may say why it failed."""
        return self.work / "output" / "failure"


def script_environment(script: Script) -> dict[str, str]:
    """The SM_* variables.

    Args:
        script: The script.
    """
    told = _facts(script)
    told |= {f"channel_{name}": str(path) for name, path in script.channels.items()}
    told |= {f"hp_{name}": value for name, value in script.hyperparameters.items()}
    told["training_env"] = _facts(script) | {
        "hyperparameters": dict(script.hyperparameters),
        "channel_input_dirs": {name: str(path) for name, path in script.channels.items()},
        "job_name": str(script.hosts.config.get("job_name", "")),
        "is_master": script.hosts.is_first,
        "master_hostname": script.hosts.names[0],
    }
    return {f"SM_{name.upper()}": _text(value) for name, value in told.items()}


def script_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Hyperparameters as the script's arguments: `--name value`, sorted by name, `-n value` for a single letter.

    Args:
        hyperparameters: Name → value; a mapping is said as `key=value,…`.
    """
    found: list[str] = []
    for name in sorted(hyperparameters):
        value = hyperparameters[name]
        if isinstance(value, Mapping):
            value = ",".join(f"{key}={item}" for key, item in sorted(value.items()))
        found += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
    return found


def config_files(script: Script) -> dict[str, Any]:
    """The files below `input/config`: name → content, written as JSON. Hyperparameters are texts there."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in _sorted(script)}
    return {
        "hyperparameters.json": texts,
        "resourceconfig.json": script.hosts.config,
        "inputdataconfig.json": {name: dict(_CHANNEL) for name in sorted(script.channels)},
    }


_CHANNEL = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}


def _sorted(script: Script) -> list[tuple[str, Any]]:
    return sorted(script.hyperparameters.items())


def _facts(script: Script) -> dict[str, Any]:
    config, hosts = script.hosts.config, script.hosts
    groups = config.get("instance_groups") or []
    module = script.entry_point.removesuffix(".py")
    return {
        "hosts": list(hosts.names),
        "current_host": hosts.current,
        "network_interface_name": hosts.interface,
        "current_instance_type": config.get("current_instance_type", "local"),
        "current_instance_group": config.get("current_group_name", "homogeneousCluster"),
        "current_instance_group_hosts": list(hosts.names),
        "instance_groups": [group.get("instance_group_name") for group in groups],
        "instance_groups_dict": {group.get("instance_group_name"): group for group in groups},
        "distribution_instance_groups": [],
        "is_hetero": len(groups) > 1,
        "hps": dict(script.hyperparameters),
        "user_entry_point": script.entry_point,
        "user_args": script_arguments(script.hyperparameters),
        "module_name": module,
        "module_dir": str(script.code),
        "framework_module": "",
        "framework_params": {},
        "resource_config": config,
        "input_data_config": {name: dict(_CHANNEL) for name in sorted(script.channels)},
        "channels": sorted(script.channels),
        "input_dir": str(script.work / "input"),
        "input_config_dir": str(script.work / "input" / "config"),
        "output_dir": str(script.work / "output"),
        "output_data_dir": str(script.output),
        "output_intermediate_dir": str(script.work / "output" / "intermediate"),
        "model_dir": str(script.model),
        "log_level": _LOG_LEVEL,
        "num_cpus": script.cpus,
        "num_gpus": script.gpus,
        "num_neurons": 0,
    }


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
