from __future__ import annotations

from typing import Any

import pytest

from airfreight.steps.base import PromotionStep
from airfreight.steps.builtin import builtin_steps


@pytest.mark.parametrize("step", builtin_steps(), ids=lambda step: step.kind)
def test_every_built_in_step_says_whether_a_run_has_an_effect_outside(step: PromotionStep[Any]):
    assert step.outside_effect != PromotionStep.outside_effect
