"""The step helm-template: renders a chart into a file or a folder (`kargo.md` §2.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.chart_dependencies import Charts, read_dependencies
from airfreight.steps.confined import Confined, confined
from airfreight.steps.helm_values import SetValue, set_arguments
from airfreight.steps.rendered import by_file, documents, is_file, resource_of, write_files


class HelmTemplateConfig(StepConfig):
    """Config of helm-template; `path` is a chart's folder or archive. No `namespace`: the project's name."""

    path: str = Field(min_length=1)
    out_path: str = Field(min_length=1)
    release_name: str = Field(min_length=1)
    out_layout: Literal["helm", "flat"] = "helm"
    use_release_name: bool = False
    namespace: str = ""
    values_files: tuple[str, ...] = ()
    ignore_missing_value_files: bool = False
    set_values: tuple[SetValue, ...] = ()
    build_dependencies: bool = False
    include_crds: bool = Field(default=False, alias="includeCRDs")
    disable_hooks: bool = False
    skip_tests: bool = False
    kube_version: str = ""
    api_versions: tuple[str, ...] = Field(default=(), alias="apiVersions")


class HelmTemplateStep(PromotionStep[HelmTemplateConfig]):
    """Renders with ``helm template``, without network; only `buildDependencies` opens it, for the downloads."""

    kind = "helm-template"
    config_type = HelmTemplateConfig
    outside_effect = ""

    def run(self, config: HelmTemplateConfig, context: StepContext) -> StepResult:
        chart = context.workdir.existing(config.path)
        if not chart.exists():
            raise TerminalStepError(f"path {config.path!r}: there is no such chart")
        values = list(_values_files(config, context))
        if config.build_dependencies and chart.is_dir() and read_dependencies(chart):
            Charts(context, chart).build()
        with confined(context) as place:
            arguments = _arguments(config, context, place.home, values)
            files = _render(place, config, [*arguments, "--", config.release_name, str(chart)])
        out = config.out_path
        write_files(context, *(("", {out: files[""]}) if is_file(out) else (out, files)))
        return StepResult()


def _values_files(config: HelmTemplateConfig, context: StepContext) -> Iterator[Path]:
    for path in config.values_files:
        file = context.workdir.existing(path)
        if file.is_file():
            yield file
        elif not config.ignore_missing_value_files:
            raise TerminalStepError(f"valuesFiles: {path}: there is no such file")


def _arguments(
    config: HelmTemplateConfig, context: StepContext, home: Path, values: list[Path]
) -> list[str]:
    switches = {
        "--include-crds": config.include_crds,
        "--no-hooks": config.disable_hooks,
        "--skip-tests": config.skip_tests,
        "--release-name": config.use_release_name,
    }
    return [
        f"--namespace={config.namespace or context.project}",
        *(f"--values={_listed(str(file))}" for file in values),
        *set_arguments(config.set_values, home),
        *(switch for switch, on in switches.items() if on),
        *([f"--kube-version={config.kube_version}"] if config.kube_version else []),
        *(f"--api-versions={_listed(version)}" for version in config.api_versions),
    ]


def _listed(value: str) -> str:
    """Return `value` as one element of an option that helm reads as comma-separated values."""
    return '"' + value.replace('"', '""') + '"'


def _render(place: Confined, config: HelmTemplateConfig, arguments: list[str]) -> Mapping[str, str]:
    """Return the files by path in `outPath`; only one, without a name, where that is a file."""
    if is_file(config.out_path):
        return {"": place.run("helm", "template", *arguments)}
    if config.out_layout == "helm":
        out = place.home / "out"
        place.run("helm", "template", f"--output-dir={out}", *arguments)
        found = sorted(file for file in out.rglob("*") if file.is_file())
        return {file.relative_to(out).as_posix(): file.read_text() for file in found}
    return by_file(_flat(place.run("helm", "template", *arguments)))


def _flat(text: str) -> Iterator[tuple[str, str]]:
    nameless = 0
    for document in documents(text):
        resource = resource_of(document)
        if resource.kind and resource.name:
            parts = (
                resource.group.replace(".", "_"),
                resource.kind,
                resource.namespace,
                resource.name,
            )
            name = f"{'-'.join(part for part in parts if part)}.yaml".lower()
        else:
            name, nameless = f"resource-{nameless}.yaml", nameless + 1
        yield name, f"{document}\n"
