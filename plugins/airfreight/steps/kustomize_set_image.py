"""The step kustomize-set-image: sets images in a kustomization file (`kargo.md` §2.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import Field, model_validator

from airfreight.errors import TerminalStepError
from airfreight.model.freight import Freight
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.kustomization import Image, find_kustomization, read_images, set_images
from airfreight.steps.text_file import read_text, replace_text


class KustomizeImage(StepConfig):
    """An image to set; `name` is its name in the kustomization, where that is not `image`."""

    image: str = Field(min_length=1)
    name: str = ""
    new_name: str = ""
    tag: str | None = None
    digest: str | None = None

    @model_validator(mode="after")
    def _one_version(self) -> KustomizeImage:
        if bool(self.tag) == bool(self.digest):
            raise ValueError("expected exactly one of tag and digest, and it may not be empty")
        return self

    @property
    def entry(self) -> Image:
        """The image as the kustomization is to have it."""
        fields = {
            "name": self.name or self.image,
            "newName": self.new_name,
            "newTag": self.tag,
            "digest": self.digest,
        }
        return {field: value for field, value in fields.items() if value}


class KustomizeSetImageConfig(StepConfig):
    """Config of kustomize-set-image; `path` is the kustomization's folder. No `images`: those of the Freight."""

    path: str = Field(min_length=1)
    images: tuple[KustomizeImage, ...] = ()


class KustomizeSetImageStep(PromotionStep[KustomizeSetImageConfig]):
    """Sets images; the output `commitMessage` lists them. On any error the file stays as it was."""

    kind = "kustomize-set-image"
    config_type = KustomizeSetImageConfig
    outside_effect = ""

    def run(self, config: KustomizeSetImageConfig, context: StepContext) -> StepResult:
        file = find_kustomization(context, config.path)
        path = context.workdir.relative(file)
        targets = _targets(config, context.freight.values())
        text = read_text(file, path)
        try:
            changed = set_images(text, targets)
        except TerminalStepError as error:
            raise TerminalStepError(f"{path}: {error}") from error
        if changed != text:
            replace_text(file, changed, path)
        message = _commit_message(config.path, read_images(changed))
        return StepResult(output={"commitMessage": message} if message else None)


def _targets(config: KustomizeSetImageConfig, freight: Iterable[Freight]) -> list[Image]:
    if config.images:
        by_name = {image.entry["name"]: image.entry for image in config.images}
        return list(by_name.values())
    images = [image for one in freight for image in one.content.images]
    often = [url for url, count in Counter(i.repo_url for i in images).items() if count > 1]
    if often:
        raise TerminalStepError(
            f"manual configuration required due to ambiguous result: {often[0]} is in the Freight "
            "more than once; say with images which tag to set"
        )
    fields = (
        {"name": image.repo_url, "newTag": image.tag, "digest": image.digest} for image in images
    )
    return [{name: value for name, value in entry.items() if value} for entry in fields]


def _commit_message(path: str, images: Sequence[Image]) -> str:
    """Return Kargo's words: all images that the file has now, changed or not."""
    if not images:
        return ""
    plural = "s" if len(images) > 1 else ""
    lines = [f"- {_reference(image)}" for image in images]
    return "\n".join([f"Updated {path} to use new image{plural}", "", *lines])


def _reference(image: Image) -> str:
    tag = f":{image['newTag']}" if image.get("newTag") else ""
    digest = f"@{image['digest']}" if image.get("digest") else ""
    return f"{image.get('newName') or image.get('name', '')}{tag}{digest}"
