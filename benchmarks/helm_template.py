"""What helm-template and kustomize-build add to the programs they run: `uv run python -m benchmarks.helm_template`."""

from __future__ import annotations

import logging
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from airfreight.model.credential import Credential
from airfreight.steps.base import StepContext, StepSettings
from airfreight.steps.confined import find_program
from airfreight.steps.helm_template import HelmTemplateConfig, HelmTemplateStep
from airfreight.steps.kustomize_build import KustomizeBuildConfig, KustomizeBuildStep
from airfreight.steps.workdir import WorkDirectory

_RUNS = 9
_RESOURCES = 300
_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map-{n}\ndata:\n  word: {word}\n"


class _Anonymous:
    def find(self, kind: str, url: str) -> Credential | None:  # noqa: ARG002 the protocol's shape
        return None


def main() -> None:
    """Print the median time of each program, of the step around it, and the step's own share."""
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _write(root)
        context = _context(root)
        helm, kubectl = str(find_program("helm")), str(find_program("kubectl"))
        for out in ("all.yaml", "folder"):
            _compare(
                f"helm template, {_RESOURCES} resources to {out}",
                partial(_plain, helm, "template", "r", str(root / "app")),
                partial(HelmTemplateStep().run, _chart(out), context),
            )
            _compare(
                f"kubectl kustomize, {_RESOURCES} resources to {out}",
                partial(_plain, kubectl, "kustomize", str(root / "k")),
                partial(KustomizeBuildStep().run, _kustomization(out), context),
            )


def _chart(out: str) -> HelmTemplateConfig:
    return HelmTemplateConfig(path="app", out_path=out, release_name="r", out_layout="flat")


def _kustomization(out: str) -> KustomizeBuildConfig:
    return KustomizeBuildConfig(path="k", out_path=out)


def _compare(title: str, plain: Callable[[], object], ours: Callable[[], object]) -> None:
    alone, around = _median(plain), _median(ours)
    share = (around - alone) / around
    print(
        f"{title}: alone {alone * 1000:.0f} ms, in the step {around * 1000:.0f} ms, "
        f"our share {(around - alone) * 1000:.0f} ms ({share:.0%})"
    )


def _median(action: Callable[[], object]) -> float:
    action()
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return sorted(times)[_RUNS // 2]


def _plain(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout


def _write(root: Path) -> None:
    (root / "app/templates").mkdir(parents=True)
    (root / "app/Chart.yaml").write_text("apiVersion: v2\nname: app\nversion: 0.1.0\n")
    (root / "k").mkdir()
    for n in range(_RESOURCES):
        template = _MAP.format(n=n, word="{{ .Release.Name }}")
        (root / f"app/templates/map-{n}.yaml").write_text(template)
    text = "---\n".join(_MAP.format(n=n, word="r") for n in range(_RESOURCES))
    (root / "k/maps.yaml").write_text(text)
    (root / "k/kustomization.yaml").write_text("resources: [maps.yaml]\n")


def _context(root: Path) -> StepContext:
    return StepContext(
        project="shop",
        stage="prod",
        promotion="prod.1.abc",
        alias="step-1",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        workdir=WorkDirectory(root),
        credentials=_Anonymous(),
        settings=StepSettings(),
        http=httpx.Client,
        log=logging.getLogger("benchmark"),
        check_fence=lambda: None,
    )


if __name__ == "__main__":
    main()
