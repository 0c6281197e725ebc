"""What is wrong with a request, in AWS's own words: "1 validation error detected: Value null at 'roleArn' …"."""

from __future__ import annotations

import re

from intermodal.runtime.sagemaker_local.operations import ApiError

_MISSING = re.compile(r'Missing required parameter in (input|[\w.\[\]]+): "(\w+)"')
_UNKNOWN = re.compile(r'Unknown parameter in (input|[\w.\[\]]+): "(\w+)"')
_TYPE = re.compile(r"Invalid type for parameter ([\w.\[\]]+), value: (.*?), type:")
_LIMIT = re.compile(
    r"(?P<path>[^:]+): (?P<seen>[\d.]+)(?P<unit> \w+)?, at (?P<which>most|least) (?P<limit>[\d.]+) expected"
)
_PATTERN = re.compile(r"(?P<path>[^:]+): (?P<seen>['\"].*['\"]) does not match (?P<pattern>.*)", re.DOTALL)
_ENUM = re.compile(r"(?P<path>[^:]+): (?P<seen>['\"].*['\"]) is none of (?P<known>.*)", re.DOTALL)


def refusal(found: list[str]) -> ApiError:
    """The error that AWS would answer.

    Args:
        found: What `service_model.problems` found, one line each.
    """
    lines = [line for line in found if not line.startswith("Parameter validation failed")] or found
    count = f"{len(lines)} validation error{'s' if len(lines) > 1 else ''} detected"
    return ApiError("ValidationException", f"{count}: {'; '.join(_said(line) for line in lines)}")


def _said(line: str) -> str:
    if match := _MISSING.search(line):
        where = "" if match.group(1) == "input" else f"{match.group(1)}."
        return f"Value null at '{_path(where + match.group(2))}' failed to satisfy constraint: Member must not be null"
    if match := _UNKNOWN.search(line):
        return f"Unknown parameter {match.group(2)}"
    if match := _TYPE.search(line):
        return f"Value {match.group(2)} at '{_path(match.group(1))}' failed to satisfy constraint: {line}"
    if match := _LIMIT.fullmatch(line):
        return _limit(match)
    if match := _PATTERN.fullmatch(line):
        return _failed(match, f"Member must satisfy regular expression pattern: {match['pattern']}")
    if match := _ENUM.fullmatch(line):
        return _failed(match, f"Member must satisfy enum value set: [{match['known']}]")
    return line


def _limit(match: re.Match[str]) -> str:
    than = "less" if match["which"] == "most" else "greater"
    what = "have length" if match["unit"] else "have value"
    return _failed(match, f"Member must {what} {than} than or equal to {match['limit']}")


def _failed(match: re.Match[str], constraint: str) -> str:
    return f"Value {match['seen']} at '{_path(match['path'])}' failed to satisfy constraint: {constraint}"


def _path(text: str) -> str:
    """Members with a small first letter, as AWS names them; indexes count from 1."""
    parts = re.sub(r"\[(\d+)\]", r".\1", text).split(".")
    return ".".join(
        f"{int(part) + 1}.member" if part.isdigit() else part[:1].lower() + part[1:] for part in parts if part
    )
