"""The step oci-push: an artifact gets another tag, here or in another registry (`kargo.md` §2.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pydantic import Field, field_validator

from airfreight.artifacts.oci.copying import (
    Artifact,
    copy_blobs,
    digest_at,
    put_artifact,
    read_artifact,
)
from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.oci_registry import OciReference, open_place, registry_faults

_SECONDS = 3600.0


class OciPushConfig(StepConfig):
    """Config of oci-push; keys of `annotations` may begin with ``index:`` or ``manifest:``."""

    src_ref: str = Field(min_length=1)
    dest_ref: str = Field(min_length=1)
    annotations: Mapping[str, str] = {}
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")

    @field_validator("src_ref")
    @classmethod
    def _is_a_reference(cls, text: str) -> str:
        OciReference.parse(text)
        return text

    @field_validator("dest_ref")
    @classmethod
    def _has_a_tag(cls, text: str) -> str:
        if not OciReference.parse(text).tag:
            raise ValueError("expected a tag: a digest follows from the content")
        return text


class OciPushStep(PromotionStep[OciPushConfig]):
    """Copies an image, a chart or an index with all that it lists; where the tag has that digest it does nothing.

    Output: ``image``, the destination as written but for ``oci://``; ``digest``; ``tag``.
    """

    kind = "oci-push"
    config_type = OciPushConfig
    outside_effect = "pushes to a registry"
    uses_workdir = False

    def run(self, config: OciPushConfig, context: StepContext) -> StepResult:
        target = OciReference.parse(config.dest_ref)
        try:
            with registry_faults():
                digest = asyncio.run(_push(config, context))
        except OSError as error:
            # Blobs pass through a temporary file.
            raise RetryableStepError(
                f"cannot keep a layer meanwhile: {error.strerror or error}"
            ) from error
        return StepResult(output={"image": target.text, "digest": digest, "tag": target.tag})


async def _push(config: OciPushConfig, context: StepContext) -> str:
    source_ref, target_ref = (
        OciReference.parse(text) for text in (config.src_ref, config.dest_ref)
    )
    verify = not config.insecure_skip_tls_verify
    async with (
        open_place(source_ref, context, seconds=_SECONDS, verify=verify) as source,
        open_place(
            target_ref, context, seconds=_SECONDS, verify=verify, actions="pull,push"
        ) as target,
    ):
        artifact = await read_artifact(source, source_ref.digest or source_ref.tag)
        elsewhere = source.name != target.name
        if elsewhere:
            _check_size(artifact, context.settings.max_oci_push_artifact_size)
        result = artifact.annotated(*_scopes(config.annotations))
        digest = result.manifest.digest
        if await digest_at(target, target_ref.tag) == digest:
            context.log.info("%s has the digest %s already", target_ref.text, digest)
            return digest
        if elsewhere:
            await copy_blobs(artifact, source, target)
        await put_artifact(result, target, target_ref.tag, context.check_fence)
    return digest


def _check_size(artifact: Artifact, most: int) -> None:
    """Hold the setting max_oci_push_artifact_size: -1 is no limit, and 0 allows no copy."""
    if most == 0:
        raise TerminalStepError(
            "pushing to another repository is off (the setting max_oci_push_artifact_size is 0)"
        )
    if 0 < most < artifact.size:
        raise TerminalStepError(
            f"the artifact has {artifact.size} bytes; at most {most} are pushed to another"
            " repository (the setting max_oci_push_artifact_size)"
        )


def _scopes(annotations: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the annotations of the index, and those of images: the ones of no scope are of these."""
    index: dict[str, str] = {}
    image: dict[str, str] = {}
    for key, text in annotations.items():
        if key.startswith("index:"):
            index[key.removeprefix("index:")] = text
        else:
            image[key.removeprefix("manifest:")] = text
    return index, image
