"""The step helm-update-chart: updates the dependencies of a chart (`kargo.md` §2.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.chart_dependencies import CHART, LOCK, Charts, Dependency, read_dependencies
from airfreight.steps.text_file import read_text, replace_text
from airfreight.steps.yaml_edit import set_values


class ChartUpdate(StepConfig):
    """A dependency, named as in Chart.yaml, and the version that it gets."""

    repository: str = Field(min_length=1)
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)


class HelmUpdateChartConfig(StepConfig):
    """Config of helm-update-chart; `path` is the chart's folder. No `charts`: only what the ranges allow."""

    path: str = Field(min_length=1)
    charts: tuple[ChartUpdate, ...] | None = Field(default=None, min_length=1)


class HelmUpdateChartStep(PromotionStep[HelmUpdateChartConfig]):
    """Sets versions in Chart.yaml and has helm write Chart.lock and `charts`; where that fails, both files stay.

    The output `commitMessage` lists what changed in Chart.lock.
    """

    kind = "helm-update-chart"
    config_type = HelmUpdateChartConfig
    outside_effect = ""

    def run(self, config: HelmUpdateChartConfig, context: StepContext) -> StepResult:
        chart = context.workdir.existing(config.path)
        dependencies = read_dependencies(chart)
        updates = list(_updates(dependencies, config.charts or ()))
        before = read_dependencies(chart, LOCK)
        if not (dependencies or before):
            return StepResult()
        changes = self._update(Charts(context, chart), updates, before, config.path)
        if not changes:
            return StepResult(output=context.previous_output)
        return StepResult(output={"commitMessage": _commit_message(config.path, changes)})

    @staticmethod
    def _update(
        charts: Charts, updates: list[tuple[str, Any]], before: Sequence[Dependency], path: str
    ) -> Mapping[str, str]:
        file, lock = charts.chart / CHART, charts.chart / LOCK
        text = read_text(file, f"{path}/{CHART}")
        locked = lock.read_bytes() if lock.exists() else None
        if updates:
            replace_text(file, set_values(text, updates), f"{path}/{CHART}")
        changes: Mapping[str, str] = {}
        updated = False
        try:
            charts.update()
            updated = True
            changes = _changes(before, read_dependencies(charts.chart, LOCK))
        finally:
            if not updated and updates:
                replace_text(file, text, f"{path}/{CHART}")
            if not changes:
                _restore(lock, locked)
        return changes


def _updates(
    dependencies: Sequence[Dependency], wanted: Sequence[ChartUpdate]
) -> Iterator[tuple[str, Any]]:
    """Yield key and value of each version that has to change in Chart.yaml."""
    for update in wanted:
        place = next(
            (
                index
                for index, known in enumerate(dependencies)
                if (known.repository, known.name) == (update.repository, update.name)
            ),
            None,
        )
        if place is None:
            raise TerminalStepError(
                f"no dependency in Chart.yaml matches update with repository "
                f"{update.repository!r} and name {update.name!r}"
            )
        if dependencies[place].version != update.version:
            yield f"dependencies.{place}.version", update.version


def _changes(before: Sequence[Dependency], after: Sequence[Dependency]) -> dict[str, str]:
    """Return what became of each dependency, by name: its version, ``old -> new`` or ``removed``."""
    old = {dependency.name: dependency.version for dependency in before}
    new = {dependency.name: dependency.version for dependency in after}
    changes = {name: "removed" for name in old if name not in new}
    for name, version in new.items():
        if name not in old:
            changes[name] = version
        elif old[name] != version:
            changes[name] = f"{old[name]} -> {version}"
    return dict(sorted(changes.items()))


def _restore(lock: Path, content: bytes | None) -> None:
    """Take back a lock that helm only dated anew, or did not get to the end of."""
    if content is None:
        lock.unlink(missing_ok=True)
    elif lock.read_bytes() != content:
        lock.write_bytes(content)


def _commit_message(path: str, changes: Mapping[str, str]) -> str:
    lines = [f"- {name}: {change}" for name, change in changes.items()]
    return "\n".join([f"Updated chart dependencies for {path}", "", *lines])
