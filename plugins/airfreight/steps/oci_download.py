"""The step oci-download: a layer of an artifact in a registry becomes a file (`kargo.md` §2.7)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import Field, field_validator

from airfreight.artifacts.oci.copying import Place
from airfreight.artifacts.oci.descriptors import Descriptor, layers_of, runnable_entry
from airfreight.artifacts.oci.protocol import Manifest
from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.new_file import new_file, new_place
from airfreight.steps.oci_registry import OciReference, open_place, registry_faults

_MIB = 2**20
_SECONDS = 300.0
_DEEPEST = 4


class OciDownloadConfig(StepConfig):
    """Config of oci-download; without `mediaType` it is the first layer."""

    image_ref: str = Field(min_length=1)
    out_path: str = Field(min_length=1)
    allow_overwrite: bool = False
    media_type: str | None = Field(default=None, min_length=1)
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")

    @field_validator("image_ref")
    @classmethod
    def _is_a_reference(cls, text: str) -> str:
        OciReference.parse(text)
        return text


class OciDownloadStep(PromotionStep[OciDownloadConfig]):
    """Downloads up to `most` bytes, 100 MiB as in Kargo; the file appears whole or not at all, with the mode 0600."""

    kind = "oci-download"
    config_type = OciDownloadConfig
    outside_effect = ""

    def __init__(self, most: int = 100 * _MIB) -> None:
        self._most = most

    def run(self, config: OciDownloadConfig, context: StepContext) -> StepResult:
        place = new_place(context.workdir, config.out_path, allow_overwrite=config.allow_overwrite)
        try:
            with registry_faults():
                asyncio.run(self._download(config, context, place))
        except OSError as error:
            raise RetryableStepError(
                f"cannot write outPath {config.out_path!r}: {error.strerror or error}"
            ) from error
        return StepResult()

    async def _download(self, config: OciDownloadConfig, context: StepContext, place: Path) -> None:
        reference = OciReference.parse(config.image_ref)
        verify = not config.insecure_skip_tls_verify
        async with open_place(reference, context, seconds=_SECONDS, verify=verify) as source:
            manifest = await _image(source, reference.digest or reference.tag)
            layer = _layer(manifest, config)
            if layer.size > self._most:
                raise TerminalStepError(
                    f"imageRef {config.image_ref!r}: the layer has {layer.size} bytes;"
                    f" at most {self._most / _MIB:g} MiB are downloaded"
                )
            with new_file(place, 0o600) as file:
                await source.client.pull_blob(
                    source.repository, layer.digest, file.write, limit=layer.size
                )


async def _image(source: Place, reference: str) -> Manifest:
    """Return the manifest that has layers; of an index, that for linux/amd64, as Kargo takes it."""
    manifest = await source.client.get_manifest(source.repository, reference)
    for _ in range(_DEEPEST):
        if not manifest.is_index:
            return manifest
        entry = runnable_entry(manifest)
        if entry is None:
            raise RetryableStepError(
                f"{source.name}@{manifest.digest} is an index without an entry for linux/amd64;"
                " name the digest of one of its entries"
            )
        manifest = await source.client.get_manifest(source.repository, entry.digest)
    raise RetryableStepError(f"{source.name}: indexes list indexes more than {_DEEPEST} deep")


def _layer(manifest: Manifest, config: OciDownloadConfig) -> Descriptor:
    layers = layers_of(manifest)
    for layer in layers:
        if config.media_type in (None, layer.media_type):
            return layer
    if not layers:
        raise RetryableStepError(f"imageRef {config.image_ref!r}: the artifact has no layers")
    found = ", ".join(sorted({layer.media_type[:100] for layer in layers})[:5])
    raise RetryableStepError(
        f"imageRef {config.image_ref!r}: no layer has the media type {config.media_type!r};"
        f" it has {found}"
    )
