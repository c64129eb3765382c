"""The step kustomize-build: renders a kustomization into a file or a folder (`kargo.md` §2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.confined import Confined, confined, find_program
from airfreight.steps.guarded_program import guarded
from airfreight.steps.kustomization import find_kustomization
from airfreight.steps.rendered import by_file, documents, is_file, resource_of, write_files


class HelmPlugin(StepConfig):
    """What charts of a `helmCharts` entry are told of the cluster."""

    api_versions: tuple[str, ...] = ()
    kube_version: str = ""


class KustomizePlugin(StepConfig):
    """How kustomize's own helm support works."""

    helm: HelmPlugin = HelmPlugin()


class KustomizeBuildConfig(StepConfig):
    """Config of kustomize-build; `path` is the kustomization's folder."""

    path: str = Field(min_length=1)
    out_path: str = Field(min_length=1)
    output_format: Literal["kargo", "kustomize"] = "kargo"
    plugin: KustomizePlugin = KustomizePlugin()


class KustomizeBuildStep(PromotionStep[KustomizeBuildConfig]):
    """Renders with ``kubectl kustomize``; everything it reads lies in the work directory."""

    kind = "kustomize-build"
    config_type = KustomizeBuildConfig
    outside_effect = ""

    def run(self, config: KustomizeBuildConfig, context: StepContext) -> StepResult:
        folder = find_kustomization(context, config.path).parent
        network = context.settings.allow_render_network
        with guarded(context) if network else confined(context) as place:
            try:
                files = _build(place, folder, config)
            except TerminalStepError as error:
                raise (error if network else _explained(error)) from None
        out = config.out_path
        if is_file(out):
            write_files(context, "", {out: "".join(files.values())})
        else:
            context.workdir.existing(out).mkdir(parents=True, exist_ok=True)
            write_files(context, out, files)
        return StepResult()


def _build(place: Confined, folder: Path, config: KustomizeBuildConfig) -> Mapping[str, str]:
    """Return the files by name; only one, with any name, where `outPath` is a file."""
    arguments = _arguments(place, config.plugin.helm)
    if is_file(config.out_path):
        return {"": place.run("kubectl", "kustomize", *arguments, str(folder))}
    if config.output_format == "kustomize":
        out = place.home / "out"
        out.mkdir()
        place.run("kubectl", "kustomize", *arguments, f"--output={out}", str(folder))
        return by_file((file.name, file.read_text()) for file in sorted(out.iterdir()))
    text = place.run("kubectl", "kustomize", *arguments, str(folder))
    return by_file((_kargo_name(part), f"{part}\n") for part in documents(text))


def _arguments(place: Confined, helm: HelmPlugin) -> list[str]:
    # Without a jail kustomize itself has to keep to the kustomization's folder.
    restrictor = "LoadRestrictionsNone" if place.jailed else "LoadRestrictionsRootOnly"
    arguments = [f"--load-restrictor={restrictor}", "--enable-helm"]
    arguments.append(f"--helm-command={find_program('helm')}")
    arguments += [f"--helm-api-versions={version}" for version in helm.api_versions]
    if helm.kube_version:
        arguments.append(f"--helm-kube-version={helm.kube_version}")
    return arguments


def _kargo_name(document: str) -> str:
    resource = resource_of(document)
    parts = (resource.namespace, resource.kind, resource.name)
    return f"{'-'.join(part for part in parts if part)}.yaml".lower()


def _explained(error: TerminalStepError) -> TerminalStepError:
    """Say what may be behind a failure that a closed network explains."""
    text = str(error)
    if not any(word in text for word in ("'git' program", "://", "helm pull")):
        return error
    return TerminalStepError(
        f"{text}\nRemote bases and charts are refused: put them into the repository, or have the "
        "setting allow_render_network turned on"
    )
