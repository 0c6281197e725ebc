"""The images that steps run in: built from components/Dockerfile, pushed, and known by digest.

Docker's and Podman's command lines agree in all that is used here. A digest is what a registry gave an
image; an image that was never pushed has none, and cannot be named to a cluster.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from intermodal import __version__
from intermodal.core.step import FAMILIES
from intermodal.errors import RuntimeFailed, UsageError
from intermodal.runtime.compiled import LOCK_NAME
from intermodal.runtime.outcome import write_atomically

ENGINE_VARIABLE = "INTERMODAL_ENGINE"
DOCKERFILE = "components/Dockerfile"
_ENGINES = ("docker", "podman")


@dataclass(frozen=True)
class Image:
    """An image of one family.

    Attributes:
        family: Its family.
        reference: Repository and tag.
        digest: "repository@sha256:…" as a registry knows it; empty when it was never pushed.
        bytes: Its size on this machine.
    """

    family: str
    reference: str
    digest: str = ""
    bytes: int = 0


class Engine:
    """A container engine's command line.

    Args:
        name: "docker" or "podman"; found by itself when empty, `INTERMODAL_ENGINE` first.

    Raises:
        UsageError: The name is another.
        RuntimeFailed: No engine is installed.
    """

    def __init__(self, name: str = "") -> None:
        chosen = name or os.environ.get(ENGINE_VARIABLE, "")
        if chosen and chosen not in _ENGINES:
            raise UsageError("unknown container engine", seen=chosen, expected=" or ".join(_ENGINES))
        found = [item for item in ([chosen] if chosen else _ENGINES) if shutil.which(item)]
        if not found:
            raise RuntimeFailed(
                "no container engine is installed",
                seen=f"no {chosen or ' and no '.join(_ENGINES)} on PATH",
                expected="docker or podman",
                next_step="install Docker or Podman",
            )
        self.name = found[0]

    def build(
        self, family: str, reference: str, root: Path, say: Callable[[str], None], run_as: int | None = None
    ) -> None:
        """Build a family's image from the checkout at `root`, telling `say` what the engine prints.

        Its containers run as the user `run_as`; as 1000 by default.

        Raises:
            UsageError: There is no Dockerfile.
            RuntimeFailed: The engine did not build it.
        """
        if not (root / DOCKERFILE).is_file():
            raise UsageError(
                f"there is no {DOCKERFILE} here",
                seen=root,
                expected="a checkout of intermodal",
                next_step="change into it, or name an image that somebody pushed: INTERMODAL_IMAGE_CORE=…@sha256:…",
            )
        words = ["build", "-f", DOCKERFILE, "--target", family, "-t", reference]
        for name, value in (("VERSION", __version__), ("REVISION", _revision(root)), ("SOURCE", _origin(root))):
            words += ["--build-arg", f"{name}={value}"]
        words += ["--build-arg", f"RUN_AS={run_as}"] if run_as is not None else []
        self._run([*words, "."], root, say)

    def tag(self, reference: str, other: str) -> None:
        """Give an image a second name."""
        self._run(["tag", reference, other], None, _silent)

    def push(self, reference: str, say: Callable[[str], None]) -> None:
        """Push an image to the registry in its name.

        Raises:
            RuntimeFailed: The registry did not take it.
        """
        self._run(["push", reference], None, say)

    def inspect(self, family: str, reference: str) -> Image | None:
        """An image on this machine; None when there is none of that name."""
        answer = self._ask(["image", "inspect", reference])
        if answer is None:
            return None
        fields = json.loads(answer)[0]
        repository = reference.rpartition(":")[0] if ":" in reference.rpartition("/")[2] else reference
        digests = [item for item in fields.get("RepoDigests") or [] if item.startswith(f"{repository}@")]
        return Image(family, reference, digests[0] if digests else "", int(fields.get("Size", 0)))

    def _ask(self, words: list[str]) -> str | None:
        done = subprocess.run([self.name, *words], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        if "no such" in done.stderr.lower() or "not known" in done.stderr.lower():
            return None
        raise self._failed(words, done.stderr)

    def _run(self, words: list[str], directory: Path | None, say: Callable[[str], None]) -> None:
        said: list[str] = []
        with subprocess.Popen(
            [self.name, *words], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                said = [*said[-20:], line.rstrip()]
                say(line.rstrip())
        if process.returncode:
            raise self._failed(words, "\n".join(said))

    def _failed(self, words: list[str], said: str) -> RuntimeFailed:
        return RuntimeFailed(
            f"{self.name} {words[0]} did not go well",
            seen=said.strip()[-800:] or "nothing",
            expected=f"an engine that answers, at {os.environ.get('DOCKER_HOST', 'its default socket')}",
            next_step=f"try it by hand: {self.name} {' '.join(words)}",
        )


def reference_of(family: str, registry: str = "", tag: str = __version__) -> str:
    """Repository and tag of a family's image: "intermodal/core:0.1.0", below a registry when there is one."""
    return f"{registry.rstrip('/')}/intermodal/{family}:{tag}" if registry else f"intermodal/{family}:{tag}"


def chosen_families(words: list[str]) -> list[str]:
    """The families that were named; all of them when none was.

    Raises:
        UsageError: One is unknown.
    """
    unknown = [word for word in words if word not in FAMILIES]
    if unknown:
        raise UsageError("there is no such image family", seen=unknown[0], expected=", ".join(FAMILIES))
    return list(dict.fromkeys(words)) or list(FAMILIES)


def record_digests(images: list[Image], directory: Path) -> Path:
    """Note references by digest in `images.lock.json`; families that are not given keep theirs.

    Args:
        images: Images with digests.
        directory: Where the file lies.

    Returns:
        The file.
    """
    path = directory / LOCK_NAME
    known = _recorded(path)
    found = {image.family: image.digest for image in images if image.digest}
    write_atomically(path, json.dumps(dict(sorted({**known, **found}.items())), indent=1) + "\n")
    return path


def _recorded(path: Path) -> dict[str, str]:
    """What the lock says already; nothing where it is no lock: this is the way to a new one."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: known[name] for name in FAMILIES if name in known} if isinstance(known, dict) else {}


def _silent(_line: str) -> None:
    return


def _revision(root: Path) -> str:
    return _git(root, "rev-parse", "HEAD") or "unknown"


def _origin(root: Path) -> str:
    origin = _git(root, "remote", "get-url", "origin")
    # An address may carry a user and a token; a path says nothing to others.
    return origin if origin.startswith("https://") and "@" not in origin else "unknown"


def _git(root: Path, *words: str) -> str:
    if not shutil.which("git"):
        return ""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
