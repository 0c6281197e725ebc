"""What a training job's hosts find below /opt/ml/input: configuration, channels, checkpoints."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.channels import download_items, list_items, share_of
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.pipes import PipeFeed, manifest_content, object_content
from intermodal.runtime.sagemaker_local.prefix import Prefix, host_names
from intermodal.runtime.sagemaker_local.transfer import download_prefix

CHECKPOINTS = "/opt/ml/checkpoints"
TENSORBOARD = "/opt/ml/output/tensorboard"
_CONFIG = "/opt/ml/input/config"
_DATA = "/opt/ml/input/data"
_FOLDERS = ("/opt/ml/model", "/opt/ml/output/data", "/opt/ml/code", _DATA, _CONFIG)
_GROUP = "homogeneousCluster"


def groups_of(resources: dict[str, Any]) -> list[dict[str, Any]]:
    """The instance groups of a ResourceConfig, with their hosts' names.

    Args:
        resources: The request's ResourceConfig.
    """
    groups = resources.get("InstanceGroups") or [
        {
            "InstanceGroupName": _GROUP,
            "InstanceType": resources.get("InstanceType", ""),
            "InstanceCount": resources.get("InstanceCount", 1),
        }
    ]
    names = iter(host_names(sum(group["InstanceCount"] for group in groups)))
    return [
        {
            "instance_group_name": group["InstanceGroupName"],
            "instance_type": group["InstanceType"],
            "hosts": [next(names) for _ in range(group["InstanceCount"])],
        }
        for group in groups
    ]


def hosts_of(resources: dict[str, Any]) -> tuple[str, ...]:
    """The names of all hosts of a ResourceConfig."""
    return tuple(name for group in groups_of(resources) for name in group["hosts"])


def write_configuration(prefix: Prefix, request: dict[str, Any], host: str, network: str) -> None:
    """Write the files of /opt/ml/input/config, and make the folders that a training image expects.

    Args:
        prefix: The host's folders.
        request: CreateTrainingJob's.
        host: The host's name.
        network: Name of the network interface.
    """
    for folder in _FOLDERS:
        prefix.at(folder)
    groups = groups_of(request["ResourceConfig"])
    mine = next(group for group in groups if host in group["hosts"])
    prefix.write(f"{_CONFIG}/hyperparameters.json", request.get("HyperParameters", {}))
    channels = {item["ChannelName"]: _channel_config(item, request) for item in request.get("InputDataConfig", [])}
    prefix.write(f"{_CONFIG}/inputdataconfig.json", channels)
    prefix.write(
        f"{_CONFIG}/resourceconfig.json",
        {
            "current_host": host,
            "current_instance_type": mine["instance_type"],
            "current_group_name": mine["instance_group_name"],
            "hosts": [name for group in groups for name in group["hosts"]],
            "instance_groups": groups,
            "network_interface_name": network,
            "topology": None,
        },
    )
    for name in ("DebugHookConfig", "ProfilerConfig", "CheckpointConfig"):
        if name in request:
            prefix.write(f"{_CONFIG}/{name.lower()}.json", request[name])


def fill_channels(s3: Any, prefix: Prefix, request: dict[str, Any], host: str) -> list[PipeFeed]:
    """Bring a host's share of every channel.

    FastFile channels are downloaded like File: what a program sees is the same.

    Args:
        s3: A client.
        prefix: The host's folders.
        request: CreateTrainingJob's.
        host: The host's name.

    Returns:
        The pipes that are being fed, to be closed at the end.

    Raises:
        ApiError: A source is empty or cannot be read.
    """
    feeds: list[PipeFeed] = []
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise ApiError("ValidationException", f"channel {channel['ChannelName']}: only S3DataSource is supported")
        if _mode(channel, request) == "Pipe":
            feeds.append(_feed(s3, prefix, request, channel, host))
            continue
        items = _share(s3, request, channel, host)
        download_items(s3, items, prefix.at(f"{_DATA}/{channel['ChannelName']}"))
    return feeds


def fetch_checkpoints(s3: Any, prefix: Prefix, request: dict[str, Any]) -> None:
    """Bring the checkpoints that are on S3 already, if the job keeps any."""
    config = request.get("CheckpointConfig")
    if config:
        folder = prefix.at(config.get("LocalPath", CHECKPOINTS))
        download_prefix(s3, config["S3Uri"], folder, need=False)


def _share(s3: Any, request: dict[str, Any], channel: dict[str, Any], host: str, epoch: int = 0) -> list[Any]:
    source = channel["DataSource"]["S3DataSource"]
    hosts = _receivers(request, source)
    if host not in hosts:
        return []
    seed = channel["ShuffleConfig"]["Seed"] + epoch if "ShuffleConfig" in channel else None
    items = list_items(s3, source["S3Uri"], source["S3DataType"])
    distribution = source.get("S3DataDistributionType", "FullyReplicated")
    return share_of(items, hosts.index(host), len(hosts), distribution, seed)


def _receivers(request: dict[str, Any], source: dict[str, Any]) -> list[str]:
    """The hosts that a channel reaches: those of the groups that it names, or all."""
    named = source.get("InstanceGroupNames")
    groups = groups_of(request["ResourceConfig"])
    return [name for group in groups if not named or group["instance_group_name"] in named for name in group["hosts"]]


def _feed(s3: Any, prefix: Prefix, request: dict[str, Any], channel: dict[str, Any], host: str) -> PipeFeed:
    source = channel["DataSource"]["S3DataSource"]
    recordio = channel.get("RecordWrapperType", "None") == "RecordIO"
    path = prefix.at(_DATA) / channel["ChannelName"]
    if source["S3DataType"] == "AugmentedManifestFile":
        names = source.get("AttributeNames", [])
        return PipeFeed(path, lambda _epoch: manifest_content(s3, source["S3Uri"], names, recordio=recordio)).start()
    gzipped = channel.get("CompressionType") == "Gzip"
    _share(s3, request, channel, host)  # an empty source fails the job before it starts
    return PipeFeed(
        path,
        lambda epoch: object_content(s3, _share(s3, request, channel, host, epoch), gzipped=gzipped, recordio=recordio),
    ).start()


def _mode(channel: dict[str, Any], request: dict[str, Any]) -> str:
    return str(channel.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"])


def _channel_config(channel: dict[str, Any], request: dict[str, Any]) -> dict[str, str]:
    source = channel["DataSource"].get("S3DataSource", {})
    told = {
        "TrainingInputMode": _mode(channel, request),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return told | ({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})
