"""Step kinds of other packages: what is taken, what is refused and with which message."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airfreight.errors import SettingsError
from airfreight.steps.builtin import builtin_steps
from airfreight.steps.copy import CopyStep
from airfreight.steps.custom import CustomKind
from airfreight.steps.registry import StepRegistry
from tests.steps.custom_kinds import GoodStep

_HERE = "tests.steps.custom_kinds"
GOOD = CustomKind("good", f"{_HERE}:GoodStep")


@pytest.fixture
def package(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], CustomKind]]:
    """Write the module of a package that is gone after the test; returns its entry point."""
    name = f"acme_{abs(hash(request.node.name))}"
    sys.path.insert(0, str(tmp_path))

    def write(source: str) -> CustomKind:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "step.py").write_text(source)
        return CustomKind("good", f"{name}.step:Step")

    yield write
    sys.path.remove(str(tmp_path))
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def test_a_kind_of_a_package_is_found_beside_the_built_in_ones() -> None:
    registry = StepRegistry(builtin_steps(), [GOOD])
    assert isinstance(registry.find("good"), GoodStep)
    assert registry.find("good") is registry.find("good")
    assert {"good", "copy"} <= set(registry.kinds)
    assert registry.clashes == ()


def test_a_misspelt_kind_of_a_package_is_suggested() -> None:
    assert "did you mean 'good'?" in StepRegistry([], [GOOD]).explain_unknown("goood")


CLASSES = {
    "no class of the package": (f"{_HERE}:Missing", "AttributeError: module"),
    "no module": ("tests.steps.missing:Step", "No module named 'tests.steps.missing'"),
    "no class named": (_HERE, "expected package.module:Class"),
    "no step": (f"{_HERE}:NoStep", "a class derived from PromotionStep"),
    "no class": (f"{_HERE}:annotations", "a class derived from PromotionStep"),
    "no config": (f"{_HERE}:NoConfigStep", "config_type is no class derived from StepConfig"),
    "no run": (f"{_HERE}:NoRunStep", "abstract"),
    "arguments": (f"{_HERE}:ArgumentStep", "'url'"),
}


@pytest.mark.parametrize(("target", "message"), CLASSES.values(), ids=CLASSES)
def test_what_is_no_step_is_refused_with_its_name(target: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        CustomKind("good", target).load()
    assert message in str(caught.value)
    assert f"step kind 'good' cannot be loaded from {target}: " in str(caught.value)
    assert "restart Airflow's components" in str(caught.value)


def test_a_class_of_another_kind_than_its_entry_point_is_refused() -> None:
    with pytest.raises(SettingsError, match="its attribute kind is 'good'; expected the name"):
        CustomKind("better", GOOD.target).load()


SOURCES = {
    "missing library": ("\nimport no_such_library\n", "ModuleNotFoundError: No module named", 2),
    "syntax": ("\n\nclass Step(\n", "SyntaxError", 3),
    "at import": ("x = 1\nx / 0\n", "ZeroDivisionError: division by zero", 2),
    "it ends the process": ("import sys\nsys.exit('no')\n", "SystemExit: no", 2),
    "within a library": ("import json\n\njson.loads('{')\n", "JSONDecodeError", 3),
}


@pytest.mark.parametrize(("source", "message", "line"), SOURCES.values(), ids=SOURCES)
def test_a_package_that_cannot_be_imported_is_told_with_file_and_line(
    package: Callable[[str], CustomKind], source: str, message: str, line: int
) -> None:
    registry = StepRegistry(builtin_steps(), [package(source)])
    assert registry.find("good") is None
    told = registry.explain_unknown("good")
    assert f"step.py:{line}: {message}" in told
    assert registry.find("copy") is not None


def _writes(file: Path) -> str:
    """Return source that leaves a letter in `file` each time it is run."""
    return f"with open({str(file)!r}, 'a') as file:\n    file.write('x')\n"


def test_a_package_that_cannot_be_imported_is_tried_once(
    package: Callable[[str], CustomKind], tmp_path: Path
) -> None:
    count = tmp_path / "count"
    registry = StepRegistry([], [package(_writes(count) + "1 / 0\n")])
    assert registry.find("good") is registry.find("good") is None
    assert count.read_text() == "x"


def test_no_package_is_imported_before_its_kind_is_asked_for(
    package: Callable[[str], CustomKind], tmp_path: Path
) -> None:
    kind = package(_writes(tmp_path / "imported"))
    registry = StepRegistry(builtin_steps(), [kind])
    assert registry.find("copy") is not None
    assert "good" in registry.kinds
    assert not (tmp_path / "imported").exists()


def test_two_packages_with_one_kind_are_both_named_and_neither_is_used() -> None:
    other = CustomKind("good", "acme.other:Step")
    registry = StepRegistry([], [GOOD, other])
    assert registry.find("good") is None
    assert registry.explain_unknown("good") == registry.clashes[0]
    assert f"acme.other:Step and {GOOD.target}" in registry.clashes[0]


def test_a_package_takes_no_built_in_kinds_place() -> None:
    registry = StepRegistry(builtin_steps(), [CustomKind("copy", "acme.copy:Step")])
    assert isinstance(registry.find("copy"), CopyStep)
    assert registry.clashes == (
        "step kind 'copy' of acme.copy:Step is built in; rename the entry point",
    )
