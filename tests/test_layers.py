"""The order of the layers and the rules of imports, read from the syntax trees."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "plugins" / "airfreight"
PLUGIN = ROOT / "plugins" / "airfreight_plugin.py"

# Inner to outer; those of one row do not import each other.
LAYERS = (
    ("errors",),
    ("model",),
    ("expr",),
    ("artifacts",),
    ("sources",),
    ("steps",),
    ("manifests",),
    ("runtime",),
    ("hooks",),
    ("triggers",),
    ("sensors",),
    ("operators",),
    ("compile",),
    ("web", "cli"),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
KNOW_AIRFLOW = {"compile", "operators", "sensors", "triggers", "hooks", "cli", "web"}
HEAVY = ("kubernetes", "airflow.providers.cncf.kubernetes", "fastapi", "git", "jwt")
EXTRAS = ("boto3", "botocore", "google", "requests", "azure")  # may be missing, besides
PARTS_OF_STEPS = {
    "airfreight.steps.base",
    "airfreight.steps.git_signing",
    "airfreight.steps.workdir",
    "airfreight.steps.registry",
}


@dataclass(frozen=True)
class Import:
    """One imported module: by which file, at which line, and whether when the file is imported."""

    file: Path
    line: int
    module: str
    at_module_level: bool
    relative: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"

    @property
    def layer(self) -> str:
        return layer_of(self.file)


def layer_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports_of(file: Path) -> list[Import]:
    return list(_imports(file, ast.parse(file.read_text()), at_module_level=True))


def _imports(file: Path, node: ast.AST, *, at_module_level: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(file, child, at_module_level=at_module_level and not inside)
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(file, node.lineno, alias.name, at_module_level, False)
    elif isinstance(node, ast.ImportFrom):
        relative, module = node.level > 0, node.module or "."
        for alias in node.names:
            name = f"{module}.{alias.name}" if module == "airfreight" else module
            yield Import(file, node.lineno, name, at_module_level, relative)


def is_within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.fixture(scope="module")
def all_imports():
    return [found for file in [*modules(), PLUGIN] for found in imports_of(file)]


@pytest.fixture(scope="module")
def inside(all_imports):
    return [one for one in all_imports if one.file not in (PLUGIN, PACKAGE / "__init__.py")]


def breaches(found: Iterator[Import]) -> list[str]:
    return [str(one) for one in found]


def test_every_part_of_the_package_is_a_layer():
    parts = {layer_of(file) for file in modules()} - {"__init__"}
    assert parts <= RANK.keys()


def test_a_module_imports_its_own_layer_or_an_inner_one(inside):
    ours = (one for one in inside if is_within(one.module, "airfreight"))

    def is_outward(one: Import) -> bool:
        theirs = one.module.split(".")[1]
        return theirs != one.layer and RANK[theirs] >= RANK[one.layer]

    assert breaches(one for one in ours if is_outward(one)) == []


def test_airflow_is_known_only_outside_of_runtime(inside):
    found = (one for one in inside if is_within(one.module, "airflow"))
    assert breaches(one for one in found if one.layer not in KNOW_AIRFLOW) == []


def test_the_package_itself_imports_nothing_of_airflow():
    found = imports_of(PACKAGE / "__init__.py")
    assert breaches(one for one in found if is_within(one.module, "airflow")) == []


def step_kinds() -> set[str]:
    """Return the modules that hold a step kind: those that the registry of built-in steps imports."""
    builtin = imports_of(PACKAGE / "steps" / "builtin.py")
    return {
        one.module for one in builtin if is_within(one.module, "airfreight.steps")
    } - PARTS_OF_STEPS


def test_steps_do_not_import_each_other(inside):
    kinds = step_kinds()
    assert len(kinds) > 5
    found = (one for one in inside if one.layer == "steps" and one.file.stem != "builtin")
    assert breaches(one for one in found if one.module in kinds) == []


@pytest.mark.parametrize("module", [*HEAVY, *EXTRAS])
def test_what_takes_long_to_import_is_imported_where_it_is_used(module, inside):
    found = (one for one in inside if is_within(one.module, module) and one.layer != "web")
    assert breaches(one for one in found if one.at_module_level) == []


def test_imports_are_absolute(all_imports):
    assert breaches(one for one in all_imports if one.relative) == []


@pytest.mark.parametrize(
    "folder",
    sorted({file.parent for file in modules()}),
    ids=lambda folder: str(folder.relative_to(PACKAGE.parent)),
)
def test_every_package_says_what_belongs_in_it(folder):
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert docstring


DAG_FILES = sorted((ROOT / "dags").glob("*.py"))


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_airflow_takes_every_dag_file_for_one_by_its_docstring_alone(file, tmp_path):
    from airflow.utils.file import might_contain_dag

    assert might_contain_dag(str(file), safe_mode=True)
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    alone = tmp_path / "docstring.py"
    alone.write_text(f'"""{docstring}"""\n')
    assert might_contain_dag(str(alone), safe_mode=True)


def test_airflow_loads_one_file_of_the_plugins_folder_and_none_of_the_package(tmp_path):
    script = """
import sys
from airflow import plugins_manager

plugins, errors = plugins_manager._get_plugins()
assert not errors, errors
print("plugin", *sorted(plugin.name for plugin in plugins if plugin.name == "airfreight"))
package = sys.argv[1]
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None) or ""
    if file.startswith(package) and not name.startswith("airfreight"):
        print("stray", name)
"""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, "-c", script, str(PACKAGE)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith(("plugin", "stray"))]
    assert told == ["plugin airfreight"]
