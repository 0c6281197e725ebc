"""A pipeline as a file: KFP's IR, or Kubernetes resources; every image by digest where digests are known; pure."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.core.component import DEFAULT_IMAGE, IMAGE_VARIABLE
from intermodal.core.step import FAMILIES
from intermodal.errors import UsageError
from intermodal.runtime.pipeline import Pipeline

LOCK_NAME = "images.lock.json"
_BY_DIGEST = "@sha256:"
_DEFAULT = re.compile(r"^(# +\w+: dict \[Default: )(\{.*\})(?=\]$)", re.MULTILINE)


@dataclass(frozen=True)
class Rendered:
    """A pipeline, ready to be uploaded or applied.

    Attributes:
        name: The pipeline's name.
        spec: KFP's `PipelineSpec` message.
        platform: KFP's `PlatformSpec` message.
    """

    name: str
    spec: Any
    platform: Any

    @property
    def yaml(self) -> str:
        """The file that `kfp` uploads: the IR, and the platform spec as a second document where there is one."""
        return self._written()

    @property
    def digest(self) -> str:
        """Hash of the file: two pipelines with the same one are the same version."""
        from google.protobuf import json_format

        both = [json_format.MessageToDict(item) for item in (self.spec, self.platform)]
        return hashlib.sha256(json.dumps(both, sort_keys=True).encode()).hexdigest()

    @property
    def version(self) -> str:
        """Name of this version on the server."""
        return f"{self.name}-{self.digest[:12]}"

    def manifests(self, namespace: str = "") -> str:
        """The same as Kubernetes resources, Pipeline and PipelineVersion, for `kubectl apply`."""
        from kfp.compiler.compiler_utils import KubernetesManifestOptions

        options = KubernetesManifestOptions(
            pipeline_version_name=self.version,
            pipeline_version_display_name=self.version,
            namespace=namespace or None,
            include_pipeline_manifest=True,
        )
        return self._written(kubernetes_manifest_options=options, kubernetes_manifest_format=True)

    def _written(self, **options: Any) -> str:
        from kfp.compiler import pipeline_spec_builder

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"
            about = self.spec.pipeline_info.description
            pipeline_spec_builder.write_pipeline_spec_to_file(self.spec, about, self.platform, str(path), **options)
            return in_order(path.read_text())


def plain(pipeline: Pipeline, images: dict[str, str] | None = None) -> Rendered:
    """A pipeline as it is, with nothing of anyone's configuration in it.

    Args:
        pipeline: The pipeline.
        images: Image family → reference by digest; a family that is not in it keeps its image.
    """
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec = type(pipeline.spec)()
    spec.CopyFrom(pipeline.spec)
    platform = pipeline_spec_pb2.PlatformSpec()
    platform.CopyFrom(getattr(pipeline.source, "platform_spec", None) or platform)
    for executor in executors_of(spec).values():
        if "container" in executor:
            executor["container"]["image"] = _image(executor["container"]["image"], images or {})
    return Rendered(pipeline.name, spec, platform)


def images_by_digest(rendered: Rendered) -> bool:
    """Whether every image of a pipeline is named by digest."""
    return not _mutable(rendered)


def require_digests(rendered: Rendered) -> None:
    """Refuse a pipeline with an image that may be another one tomorrow.

    Raises:
        UsageError: An image is not named by digest.
    """
    mutable = _mutable(rendered)
    if mutable:
        raise UsageError(
            "an image is not named by digest, so it may be another one when the pod starts",
            seen=", ".join(mutable),
            expected=f"repository{_BY_DIGEST}…",
            next_step="intermodal images build (or push), or intermodal images digest; or --allow-mutable-tags",
        )


def _mutable(rendered: Rendered) -> list[str]:
    images = {item["container"]["image"] for item in executors_of(rendered.spec).values() if "container" in item}
    return sorted(image for image in images if _BY_DIGEST not in image)


def locked_images(directory: Path | None = None) -> dict[str, str]:
    """References by digest as `intermodal images` recorded them: image family → reference.

    Args:
        directory: Where `images.lock.json` is looked for; the working directory by default.

    Returns:
        The references; a family whose `INTERMODAL_IMAGE_<FAMILY>` is set has that one. Empty without a file.

    Raises:
        UsageError: The file is not what `intermodal images` writes.
    """
    path = (directory or Path.cwd()) / LOCK_NAME
    try:
        found = json.loads(path.read_text()) if path.is_file() else {}
        wrong = [name for name, image in found.items() if name not in FAMILIES or _BY_DIGEST not in image]
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise UsageError(f"{path} cannot be read", seen=error, next_step="intermodal images digest") from error
    if wrong:
        expected = f"a family of {', '.join(FAMILIES)} → repository{_BY_DIGEST}…"
        raise UsageError(f"{path} is wrong", seen=wrong[0], expected=expected, next_step="intermodal images digest")
    chosen = {name: os.environ.get(IMAGE_VARIABLE.format(family=name.upper()), "") for name in FAMILIES}
    return {**found, **{name: image for name, image in chosen.items() if image}}


def in_order(text: str) -> str:
    """A compiled pipeline whose opening comment is one, and the same each time.

    kfp writes a mapping as protobuf happens to hold it, and a text with line ends as if it had none.

    Args:
        text: As kfp wrote it.
    """
    head, key, rest = text.partition("\ncomponents:\n")
    lines = [line if line.startswith("#") else f"#    {line}" for line in head.split("\n")]
    comment = _DEFAULT.sub(lambda found: f"{found[1]}{sorted_keys(ast.literal_eval(found[2]))}", "\n".join(lines))
    return f"{comment}{key}{rest}" if head.startswith("#") and key else text


def sorted_keys(value: Any) -> Any:
    """A value in which every mapping has its keys in order, all the way down."""
    if isinstance(value, dict):
        return {name: sorted_keys(value[name]) for name in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


def _image(image: str, images: dict[str, str]) -> str:
    """The reference by digest of a family's default image; any other image is the user's own choice."""
    family = next((name for name in FAMILIES if image == DEFAULT_IMAGE.format(family=name)), "")
    return images.get(family, image)


def executors_of(spec: Any) -> Any:
    """The executors of a spec; what is changed in them is changed in the spec."""
    known = "executors" in spec.deployment_spec  # a protobuf Struct: no .get()
    return spec.deployment_spec["executors"] if known else {}
