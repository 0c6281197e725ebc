"""The sections `[athena]`, `[redshift]` and `[emr]` of `intermodal.toml`: where data is worked on in AWS."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from typing import TypeVar

from intermodal.core.config import CONFIG_NAME, Settings
from intermodal.core.sections import check_on_s3, read_section, table
from intermodal.errors import UsageError

_LEAST_CUTOFF = 10_000_000  # Athena's own
Section = TypeVar("Section")


@dataclass(frozen=True)
class AthenaSettings:
    """What `[athena]` can say.

    Attributes:
        workgroup: Workgroup of the queries; made when it is not there.
        database: Database in the Glue catalogue; made when it is not there.
        results: Where results go, s3://…; `athena/results` in the artifact store by default.
        bytes_cutoff: A query that scans more is stopped by Athena.
        max_seconds: A query that takes longer is stopped.
        kms_key: Key by which results are encrypted; S3's own keys by default.
    """

    workgroup: str = "intermodal"
    database: str = "intermodal"
    results: str = ""
    bytes_cutoff: int = 100_000_000_000
    max_seconds: int = 1800
    kms_key: str = ""


@dataclass(frozen=True)
class RedshiftSettings:
    """What `[redshift]` can say.

    Attributes:
        workgroup: Workgroup of Redshift Serverless.
        cluster: Provisioned cluster, instead of a workgroup.
        database: Database.
        db_user: User for temporary credentials of a cluster.
        secret_arn: Secret of Secrets Manager with user and password, instead of temporary credentials.
        role: Role with which Redshift reads and writes S3; the cluster's own default by default.
        max_seconds: A statement that takes longer is cancelled.
    """

    workgroup: str = ""
    cluster: str = ""
    database: str = "dev"
    db_user: str = ""
    secret_arn: str = ""
    role: str = ""
    max_seconds: int = 3600


@dataclass(frozen=True)
class EmrSettings:
    """What `[emr]` can say.

    Attributes:
        application: EMR Serverless application.
        virtual_cluster: Virtual cluster of EMR on EKS.
        release: Release of EMR on EKS, such as "emr-7.9.0-latest".
        role: Role of the jobs; the execution role of `[sagemaker]` by default.
        logs: Where logs go, s3://…; `emr/logs` in the artifact store by default.
        executors: Executors of a job.
        max_runtime: Seconds after which a job is stopped.
        python: Python of driver and executors, a path in their image.
        configuration: Spark's own settings, such as "spark.executor.memory".
    """

    application: str = ""
    virtual_cluster: str = ""
    release: str = "emr-7.9.0-latest"
    role: str = ""
    logs: str = ""
    executors: int = 2
    max_runtime: int = 4 * 3600
    python: str = "/opt/intermodal/bin/python3"
    configuration: dict[str, str] = field(default_factory=dict)


def athena_settings(settings: Settings) -> AthenaSettings:
    """Read `[athena]`.

    Raises:
        UsageError: A key is unknown, or a value is wrong.
    """
    made = _read(AthenaSettings(), settings, "athena")
    if made.bytes_cutoff < _LEAST_CUTOFF:
        raise UsageError(
            f"{CONFIG_NAME}: athena.bytes_cutoff is too small", seen=made.bytes_cutoff, expected=f"{_LEAST_CUTOFF:,}"
        )
    check_on_s3("athena.results", made.results)
    return made


def redshift_settings(settings: Settings) -> RedshiftSettings:
    """Read `[redshift]`.

    Raises:
        UsageError: A key is unknown, a value is wrong, or both or neither of workgroup and cluster are named.
    """
    made = _read(RedshiftSettings(), settings, "redshift")
    if bool(made.workgroup) == bool(made.cluster):
        raise UsageError(
            f"{CONFIG_NAME}: [redshift] must name one place",
            seen=f"workgroup={made.workgroup!r}, cluster={made.cluster!r}",
            expected="workgroup (Redshift Serverless) or cluster",
        )
    if made.cluster and not (made.db_user or made.secret_arn):
        raise UsageError(f"{CONFIG_NAME}: [redshift] names no user", expected="db_user or secret_arn")
    return made


def emr_settings(settings: Settings) -> EmrSettings:
    """Read `[emr]`.

    Raises:
        UsageError: A key is unknown, or a value is wrong.
    """
    made = _read(EmrSettings(), settings, "emr", texts=("configuration",))
    check_on_s3("emr.logs", made.logs)
    return made


def emr_variables(settings: Settings) -> dict[str, str]:
    """`[emr]` as variables, for a pod, which has no file.

    Args:
        settings: The settings, with the parsed file.

    Returns:
        INTERMODAL_EMR_… → value, for every key that the file gives.

    Raises:
        UsageError: A key is unknown, or a value is wrong.
    """
    made, given = emr_settings(settings), table(settings.extra.get("emr", {}), "emr")
    values = {name: getattr(made, name) for name in sorted(given)}
    texts = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in values.items()}
    return {f"INTERMODAL_EMR_{name}".upper(): text for name, text in texts.items()}


def _read(before: Section, settings: Settings, section: str, texts: tuple[str, ...] = ()) -> Section:
    """A section of the file; a variable such as INTERMODAL_ATHENA_WORKGROUP wins: a job has no file."""
    given = dict(table(settings.extra.get(section, {}), section))
    for item in fields(before):  # type: ignore[arg-type]
        variable = f"INTERMODAL_{section}_{item.name}".upper()
        text = os.environ.get(variable)
        if text:
            given[item.name] = _from_text(variable, text, getattr(before, item.name))
    return read_section(before, given, section, texts=texts)


def _from_text(variable: str, text: str, like: object) -> object:
    if isinstance(like, int):
        return _number(variable, text)
    if not isinstance(like, dict):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{variable} is wrong", seen=text, expected='JSON, {"key": "value"}') from error


def _number(variable: str, text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise UsageError(f"{variable} is wrong", seen=text, expected="a whole number")
