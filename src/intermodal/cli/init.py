"""`intermodal init`: make a new project with one step and one pipeline."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from intermodal.cli.main import new_parser
from intermodal.core.attempt import attempt_name
from intermodal.errors import StoreFailed, UsageError


def main(arguments: Sequence[str]) -> int:
    """Make a project.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        UsageError: The name will not do, or something is there already.
        StoreFailed: The directory cannot be written.
    """
    parser = new_parser("init")
    parser.add_argument("name", help="the project's name, or a path that ends in it")
    options = parser.parse_args(arguments)
    from intermodal.cli.project import project_files

    target = Path(options.name).expanduser().absolute()
    files = project_files(target.name)
    _refuse_occupied(target)
    _write_at_once(target, files)
    if options.json:
        print(json.dumps({"directory": str(target), "files": sorted(files)}, indent=1))
        return 0
    print(f"made {target}")
    print("\n".join(f"  {path}" for path in sorted(files)))
    print(f"next: cd {_shortest(target)} && intermodal run pipelines/hello.py")
    return 0


def _refuse_occupied(target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() or target.is_symlink():
        what = "a directory that is not empty" if target.is_dir() else "a file"
        raise UsageError(
            "there is something here already",
            seen=f"{target}: {what}",
            expected="a name that is free, or an empty directory",
            next_step="choose another name",
        )


def _write_at_once(target: Path, files: dict[str, str]) -> None:
    """Write all files beside the target and rename: a project is there whole, or not at all."""
    aside = target.parent / f".{target.name}.{attempt_name()}"
    try:
        for path, text in files.items():
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).write_text(text, encoding="utf-8")
        os.rename(aside, target)
    except OSError as error:
        raise StoreFailed(
            "the project could not be written",
            seen=f"{error.strerror} ({error.filename or target})",
            expected="a directory this user may write",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _shortest(target: Path) -> str:
    return str(target.relative_to(Path.cwd())) if target.is_relative_to(Path.cwd()) else str(target)
