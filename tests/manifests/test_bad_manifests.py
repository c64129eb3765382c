"""Golden table: every `bad/<id>.yaml` gives exactly the messages of `bad/<id>.txt`."""

from pathlib import Path

import pytest

from airfreight.errors import ManifestError, Problem
from airfreight.manifests.project import load_project
from airfreight.steps.installed import step_registry

BAD = Path(__file__).parent / "bad"
IDS = sorted(path.stem for path in BAD.glob("*.yaml"))


def problems_of(pipelines: Path, name: str) -> tuple[Problem, ...]:
    folder = pipelines / "shop"
    folder.mkdir()
    (folder / f"{name}.yaml").write_bytes((BAD / f"{name}.yaml").read_bytes())
    try:
        return load_project(pipelines, "shop", step_registry()).problems
    except ManifestError as error:
        return error.problems


@pytest.mark.parametrize("name", IDS)
def test_a_bad_manifest_is_explained(tmp_path: Path, name: str) -> None:
    problems = problems_of(tmp_path, name)

    said = "".join(f"{problem.severity}: {problem}\n" for problem in problems)
    assert said == (BAD / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", IDS)
def test_every_problem_points_into_its_file(tmp_path: Path, name: str) -> None:
    lines = (BAD / f"{name}.yaml").read_text().splitlines()

    for problem in problems_of(tmp_path, name):
        assert problem.location.file == f"shop/{name}.yaml"
        assert 1 <= problem.location.line <= len(lines)
        assert 1 <= problem.location.column <= len(lines[problem.location.line - 1]) + 1


@pytest.mark.parametrize("name", [i for i in IDS if "hunter2" in (BAD / f"{i}.yaml").read_text()])
def test_no_message_shows_a_secret(tmp_path: Path, name: str) -> None:
    assert "hunter2" not in "".join(map(str, problems_of(tmp_path, name)))


def test_no_message_shows_an_encoded_secret(tmp_path: Path) -> None:
    assert "aHVudGVyMg" not in "".join(map(str, problems_of(tmp_path, "secret-base64")))
