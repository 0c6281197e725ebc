"""Secrets in parameters: named by reference in what is sent and written, and looked up only where the step runs.

Requests, the ExecutorInput on S3, manifests and MLflow are read by many. So a parameter whose name says that
it is a secret may hold only a reference, `secretsmanager:NAME` or `secretsmanager:NAME#KEY` for one entry
of a secret that is a JSON object; the role of the job is what may read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from intermodal.errors import RuntimeFailed, UsageError

_SCHEME = "secretsmanager:"
_REFERENCE = re.compile(r"secretsmanager:(?P<name>[A-Za-z0-9/_+=.@:-]{1,512})(#(?P<key>[^#\s]{1,128}))?")
_WORDS = r"token|secret|password|passwd|passphrase|api_?key|access_?key|private_?key|credentials?"
_SECRET_NAME = re.compile(rf"(^|_)({_WORDS})s?(_|$)")
_TELLS_WHERE = re.compile(r"_(arn|env|file|name|path|variable)$")  # of a secret, not what it is
_ARN = re.compile(r"arn:aws[a-z-]*:(secretsmanager|ssm):[^\s]+")
_SECRET_VALUE = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret_name(name: str) -> bool:
    """Whether a name says that its value is a secret: token, secret, password, api_key and the like, as a word.

    A name that ends in _arn, _env, _file, _name, _path or _variable says where a secret is, which is none.
    """
    plain = _HUMP.sub("_", name).replace("-", "_").lower()
    return _SECRET_NAME.search(plain) is not None and _TELLS_WHERE.search(plain) is None


def is_reference(value: Any) -> bool:
    """Whether a value is `secretsmanager:NAME` or `secretsmanager:NAME#KEY`."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def check_no_secrets(values: dict[str, Any], what: str = "parameter") -> None:
    """Refuse values that would be written where many read them.

    Args:
        values: Name → value; mappings and lists are looked into.
        what: What the values are, for the error; the value itself is never shown.

    Raises:
        UsageError: A secret stands in plain text.
    """
    for path, name, text in _texts(values, "", ""):
        why = _why_secret(name, text)
        if why:
            raise UsageError(
                f"{what} {path} would stand in plain text in requests to AWS",
                seen=why,
                expected="a reference that the job looks up by its role: secretsmanager:NAME, or …:NAME#KEY",
                next_step=f"aws secretsmanager create-secret --name NAME …, then {path}=secretsmanager:NAME",
            )


def with_secrets(values: Any, read: Callable[[str], str]) -> Any:
    """The same values with every reference replaced by what it names.

    Args:
        values: Parameters, or any part of them.
        read: Secret's name → its text; `read_secret` with a client bound.

    Raises:
        RuntimeFailed: A secret cannot be read, or has no such entry.
    """
    if isinstance(values, dict):
        return {name: with_secrets(value, read) for name, value in values.items()}
    if isinstance(values, list):
        return [with_secrets(value, read) for value in values]
    return _looked_up(values, read) if is_reference(values) else values


def read_secret(client: Any, name: str) -> str:
    """A secret's text.

    Args:
        client: boto3's client of Secrets Manager.
        name: Its name or ARN.

    Raises:
        RuntimeFailed: AWS does not give it.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(client.get_secret_value(SecretId=name)["SecretString"])
    except (BotoCoreError, ClientError, KeyError) as error:
        raise RuntimeFailed(
            "a secret cannot be read",
            seen=f"{name}: {error}",
            expected="a secret with a text, which the role may read",
            next_step="allow secretsmanager:GetSecretValue on it to the job's role",
        ) from error


def _looked_up(reference: str, read: Callable[[str], str]) -> str:
    found = _REFERENCE.fullmatch(reference)
    assert found is not None  # noqa: S101  asked before by is_reference
    text = read(found["name"])
    if found["key"] is None:
        return text
    try:
        return str(json.loads(text)[found["key"]])
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeFailed("a secret has no such entry", seen=reference, expected="a JSON object with it") from error


def _texts(value: Any, path: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Every text within a value: where it stands, the nearest name, and the text."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{path}.{key}" if path else str(key), str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]", name)
    elif isinstance(value, str) and value:
        yield path, name, value


def _why_secret(name: str, text: str) -> str:
    if is_reference(text) or _ARN.fullmatch(text):
        return ""
    if is_secret_name(name):
        return "a text under a name that says it is a secret"
    if _SECRET_VALUE.search(text):
        return "a text that looks like a key"
    return "an address with a password in it" if _has_password(text) else ""


def _has_password(text: str) -> bool:
    try:
        return "://" in text and urlsplit(text).password is not None
    except ValueError:
        return False
