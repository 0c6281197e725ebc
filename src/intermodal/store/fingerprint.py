"""What lies behind a parameter that names data outside the store: a file, a folder, a glob, an S3 URI.

The content enters the cache key, so that a changed file is never served from an old result. Digests of
local files are remembered by path, size, inode and times; a file younger than two seconds is always
read, because it could change again within the clock's grain.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from intermodal.core.attempt import attempt_name
from intermodal.core.manifest import sha256_of

_RACY_SECONDS = 2.0


def fingerprint(value: Any, memory: Path) -> Any:
    """Describe the data that a parameter names.

    Args:
        value: The parameter's value, or a list of such.
        memory: Directory where digests of local files are remembered.

    Returns:
        None for an empty value or one that names nothing; else {"files", "digest"}, equal exactly
        when names and contents are equal; of a list, a list of them.

    Raises:
        StoreFailed: An S3 URI could not be listed.
    """
    if isinstance(value, list):
        found = [fingerprint(item, memory) for item in value]
        return found if any(found) else None
    if not isinstance(value, str) or not value:
        return None
    lines = _s3_lines(value) if value.startswith("s3://") else _local_lines(value, memory)
    if not lines:
        return None
    return {"files": len(lines), "digest": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def _local_lines(value: str, memory: Path) -> list[str]:
    path = Path(value.removeprefix("file://")).expanduser()
    if path.is_file():
        return [f"{path.name} {_digest(path, memory)}"]
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.is_file())
        return [f"{item.relative_to(path).as_posix()} {_digest(item, memory)}" for item in files]
    found = [Path(item) for item in sorted(glob.glob(str(path), recursive=True)) if os.path.isfile(item)]
    root = os.path.commonpath([item.parent for item in found]) if found else ""
    return [f"{item.relative_to(root).as_posix()} {_digest(item, memory)}" for item in found]


def _digest(path: Path, memory: Path) -> str:
    stat = path.stat()
    # The time of change is the one that nobody can set back.
    seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    note = memory / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]}.json"
    known = _read_note(note)
    if known.get("seen") == seen:
        return str(known["sha256"])
    digest = sha256_of(path)
    if time.time() - max(stat.st_mtime, stat.st_ctime) > _RACY_SECONDS:
        _write_note(note, {"seen": seen, "sha256": digest})
    return digest


def _read_note(note: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(note.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _write_note(note: Path, fields: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # a note saves time and is worth no failure
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{attempt_name()}")  # two tasks of a loop may ask at once
        temporary.write_text(json.dumps(fields))
        os.replace(temporary, note)


def _s3_lines(uri: str) -> list[str]:
    import fnmatch

    from intermodal.store.s3 import clear_s3_errors, s3_client

    bucket, _, pattern = uri.removeprefix("s3://").partition("/")
    stars = [pattern.index(mark) for mark in "*?[" if mark in pattern]
    prefix = pattern[: min(stars)] if stars else pattern
    lines = []
    with clear_s3_errors(f"{uri} could not be listed"):
        for page in s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if not stars or fnmatch.fnmatch(item["Key"], pattern):
                    lines.append(f"{item['Key']} {item['Size']} {item['ETag']}")
    return sorted(lines)
