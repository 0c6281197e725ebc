"""Images of AWS Deep Learning Containers, an alternative to our own images for script mode.

`image = "dlc:pytorch"` or `"dlc:pytorch:2.9.0"` stands for the image of that framework in the job's region, for
accelerators or without. The table is of November 2026, from the tables of AWS's SageMaker SDK; a newer image is
named in full.
"""

from __future__ import annotations

from intermodal.errors import UsageError

PREFIX = "dlc:"
TABLE_DATE = "2026-11"
# Framework → version → Python; the last version is the default.
VERSIONS = {
    "pytorch": {"2.8.0": "py312", "2.9.0": "py312", "2.10.0": "py313"},
    "tensorflow": {"2.18.0": "py310", "2.19.0": "py312", "2.21.0": "py312"},
}
_MOST_REGIONS = "763104351884"
# Regions whose registry has an account of its own.
REGISTRIES = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}


def is_container_name(image: str) -> bool:
    """Whether an image is named as `dlc:FRAMEWORK` or `dlc:FRAMEWORK:VERSION`."""
    return image.startswith(PREFIX)


def container_image(name: str, region: str, *, gpu: bool) -> str:
    """The reference behind `dlc:FRAMEWORK` or `dlc:FRAMEWORK:VERSION`.

    Args:
        name: The name.
        region: The job's region.
        gpu: Whether the job's machines have accelerators.

    Raises:
        UsageError: The table has no such framework or version.
    """
    framework, _, version = name.removeprefix(PREFIX).partition(":")
    if framework not in VERSIONS:
        raise UsageError("there is no such Deep Learning Container", seen=name, expected=_known())
    versions = VERSIONS[framework]
    version = version or list(versions)[-1]
    if version not in versions:
        raise UsageError(
            f"the table of Deep Learning Containers ({TABLE_DATE}) has no such version",
            seen=name,
            expected=", ".join(versions),
            next_step="name the image in full: ACCOUNT.dkr.ecr.REGION.amazonaws.com/…",
        )
    tag = f"{version}-{'gpu' if gpu else 'cpu'}-{versions[version]}"
    return f"{registry(region)}/{framework}-training:{tag}"


def registry(region: str) -> str:
    """The registry of AWS's own images in a region."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{REGISTRIES.get(region, _MOST_REGIONS)}.dkr.ecr.{region}.{suffix}"


def _known() -> str:
    return ", ".join(f"{PREFIX}{name}" for name in VERSIONS)
