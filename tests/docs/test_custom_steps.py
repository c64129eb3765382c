"""The page of custom steps as it stands: its package, in a plugins folder beside ours, does what the page says."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, read

PAGE = ROOT / "docs" / "custom-steps.md"
STEP, TEST = (block.text for block in blocks(PAGE, "python"))
(ENTRY_POINTS,) = (block.text for block in blocks(PAGE, "ini"))
(PYPROJECT,) = (block.text for block in blocks(PAGE, "toml"))
APP = hashlib.sha256(b"app").hexdigest()
_CONFIGS = {
    "checksum": {"path": "app.tgz", "sha256": APP},
    "copy": {"inPath": "app.tgz", "outPath": "old.tgz"},
}

LOADED = """
import sys
from pathlib import Path
from airfreight.manifests.project import load_project
from airfreight.steps.installed import step_registry

for name in sys.argv[2:]:
    project = load_project(Path(sys.argv[1]), name, step_registry())
    print(name, *sorted(project.disabled), *project.problems, sep=" | ")
"""

IN_AIRFLOW = """
import sys
from pathlib import Path
from airflow import plugins_manager, settings

settings.initialize()
print("errors of plugins", plugins_manager._get_plugins()[1])
print("run as plugins", [name for name in sys.modules if name == "checksum"])

from airfreight.compile.project import project_dags, project_problems

pipelines = Path(sys.argv[1])
print(*sorted(dag.dag_id for dag in project_dags(pipelines, "shop")))
print(*project_problems(pipelines, "shop"))
"""


@dataclass(frozen=True)
class Deployment:
    """A plugins folder with Airfreight and the page's package, and a folder of projects."""

    root: Path

    @property
    def plugins(self) -> Path:
        return self.root / "plugins"

    @property
    def pipelines(self) -> Path:
        return self.root / "pipelines"

    def project(self, name: str, *kinds: str) -> None:
        """Write a project with a Stage for each kind, which is the kind of its only step."""
        source = (
            read("README.md").split("```yaml\n")[1].split("```")[0].replace("_shop_", "_shared_")
        )
        warehouse, secret, stage = source.split("---\n")
        before = stage.split("steps:\n")[0]
        stages = [
            f"{before.replace('name: prod', f'name: use-{kind}')}steps:\n"
            f"      - uses: {kind}\n        config: {json.dumps(_CONFIGS[kind])}\n"
            for kind in kinds
        ]
        (self.pipelines / name).mkdir(parents=True)
        (self.pipelines / name / "all.yaml").write_text("---\n".join([warehouse, secret, *stages]))

    def python(self, *words: str, seed: str = "0", on_path: bool = True) -> str:
        """Run Python in a process of its own, and return what it printed."""
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(self.root),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.plugins),
            "PYTHONHASHSEED": seed,
            "PYTHONWARNINGS": "ignore",
            **({"PYTHONPATH": str(self.plugins)} if on_path else {}),
        }
        done = subprocess.run(
            [sys.executable, *words], env=environment, cwd=self.root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def loaded(self, *projects: str, seed: str = "0") -> list[str]:
        """Return, for each project, what is disabled and what is wrong, as a process finds it."""
        words = ("-c", LOADED, str(self.pipelines), *projects)
        return self.python(*words, seed=seed).splitlines()


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    here = Deployment(tmp_path)
    shutil.copytree(ROOT / "plugins", here.plugins)
    package, metadata = here.plugins / "acme_steps", here.plugins / "acme_steps.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").touch()
    (package / "checksum.py").write_text(STEP)
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    with (here.plugins / ".airflowignore").open("a") as file:
        file.write("acme_steps/\n")
    return here


def test_the_step_is_as_long_as_the_page_says() -> None:
    lines = [line for line in STEP.splitlines() if line.strip()]
    assert "in 20 lines" in read("docs/custom-steps.md")
    assert 15 < len(lines) <= 20


def test_both_files_of_entry_points_say_the_same() -> None:
    written = ConfigParser()
    written.read_string(ENTRY_POINTS)
    groups = tomllib.loads(PYPROJECT)["project"]["entry-points"]
    assert groups == {name: dict(written[name]) for name in written.sections()}


def test_the_test_of_the_page_passes(deployment: Deployment) -> None:
    file = deployment.root / "test_checksum.py"
    file.write_text(TEST)
    told = deployment.python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(file))
    assert "2 passed" in told


def test_the_command_runs_the_step(deployment: Deployment) -> None:
    (deployment.root / "app.tgz").write_bytes(b"app")
    (deployment.root / "config").write_text(json.dumps({"path": "app.tgz", "sha256": APP}))
    run = "import sys; from airfreight.cli.main import main; sys.exit(main())"
    words = ("step", "checksum", "--config", "config", "--workdir", ".")
    answer = json.loads(deployment.python("-c", run, *words))
    assert (answer["status"], answer["output"]) == ("Succeeded", {"sha256": APP})


def test_a_package_that_is_broken_disables_the_stages_that_use_it_and_nothing_else(
    deployment: Deployment,
) -> None:
    deployment.project("shop", "checksum", "copy")
    deployment.project("other", "copy")
    file = deployment.plugins / "acme_steps" / "checksum.py"
    file.write_text(STEP.replace("import hashlib", "import no_such_library"))
    shop, other = deployment.loaded("shop", "other", seed="1")
    assert other == "other"
    assert shop.startswith("shop | Stage use-checksum | shop/all.yaml:")
    told = f"cannot be loaded from acme_steps.checksum:ChecksumStep: {file}:3: ModuleNotFoundError"
    assert told in shop
    assert deployment.loaded("shop", "other", seed="4242") == [shop, other]


def test_airflow_finds_the_package_by_its_plugins_folder_alone_and_runs_none_of_it_as_a_plugin(
    deployment: Deployment,
) -> None:
    deployment.project("shop", "checksum", "copy")
    (deployment.plugins / "more.dist-info").mkdir()
    (deployment.plugins / "more.dist-info" / "entry_points.txt").write_text(
        "[airfreight.steps]\ncopy = more:CopyStep\n[airfreight.subscriptions]\npypi = more:PypiKind\n"
    )
    told = deployment.python("-c", IN_AIRFLOW, str(deployment.pipelines), on_path=False)
    assert told.splitlines()[-4:] == [
        "errors of plugins {}",
        "run as plugins []",
        "shop.pipeline.shop shop.warehouse.shop",
        "airfreight.steps:1:1: step kind 'copy' of more:CopyStep is built in; rename the entry point "
        "airfreight.subscriptions:1:1: subscription kind 'pypi' of more:PypiKind is built in; "
        "rename the entry point",
    ]
