"""`airfreight step`: one step on a folder, its end as JSON, and no traceback whatever it is given."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airfreight.cli.arguments import argument_parser
from airfreight.cli.commands import step
from airfreight.cli.main import main
from airfreight.cli.world import Exit, World
from airfreight.steps.builtin import builtin_steps
from tests.docs.pages import ROOT, blocks
from tests.git_http import GitHttpServer
from tests.serving import QuietHandler, running

FREIGHT = {"origin": {"name": "web"}, "images": [{"repoURL": "ghcr.io/acme/shop", "tag": "v1"}]}


class Desk:
    """A folder with a work directory, and the command in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        self.work.mkdir()

    def run(self, kind: str, config: Any, *words: str, env: Any = None) -> tuple[int, str, str]:
        file = self.root / "config"
        text = config if isinstance(config, str | bytes) else json.dumps(config)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        if env is not None:
            (self.root / "env.json").write_text(env if isinstance(env, str) else json.dumps(env))
            words = (*words, "--env", str(self.root / "env.json"))
        out, err = io.StringIO(), io.StringIO()
        line = ["step", kind, "--config", str(file), "--workdir", str(self.work), *words]
        code = main(line, World(out, err, {}, lambda _: None))
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_step_that_succeeds_prints_its_output_and_exits_0(desk: Desk) -> None:
    code, out, err = desk.run("compose-output", "a: 1\nb: [x, {c: null}]\n")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "status": "Succeeded",
        "message": "",
        "output": {"a": 1, "b": ["x", {"c": None}]},
    }


def test_templates_see_the_env_and_the_freight(desk: Desk) -> None:
    config = {
        "image": '${{ imageFrom("ghcr.io/acme/shop").Tag }}',
        "same": '${{ imageFrom("ghcr.io/acme/shop", warehouse("web")).Tag }}',
        "name": "${{ ctx.targetFreight.origin.name }}",
        "ctx": "${{ ctx.stage }}/${{ ctx.project }}",
        "vars": "${{ vars.n + 1 }}",
        "outputs": "${{ outputs.push.commit }}",
        "task": "${{ task.outputs.x.y }}",
        "success": "${{ success() }}",
    }
    env = {
        "freight": [FREIGHT],
        "ctx": {"stage": "prod"},
        "vars": {"n": 1},
        "outputs": {"push": {"commit": "abc"}},
        "task": {"outputs": {"x": {"y": "z"}}},
    }
    code, out, _ = desk.run("compose-output", config, env=env)
    assert code == 0
    assert json.loads(out)["output"] == {
        "image": "v1",
        "same": "v1",
        "name": "web",
        "ctx": "prod/project",
        "vars": 2,
        "outputs": "abc",
        "task": "z",
        "success": True,
    }


def test_a_step_that_works_on_the_freight_itself_gets_it(desk: Desk) -> None:
    file = desk.work / "kustomization.yaml"
    file.write_text("images: []\n")
    code, _, err = desk.run("kustomize-set-image", {"path": "."}, env={"freight": [FREIGHT]})
    assert code == 0, err
    assert "newTag: v1" in file.read_text()


def test_a_step_that_is_skipped_exits_0_too(desk: Desk) -> None:
    with GitHttpServer(desk.root / "remote") as server:
        server.create("app", {"a.txt": "one\n"})
        clone = {"repoURL": server.url("app"), "checkout": [{"path": "out", "branch": "main"}]}
        code, out, err = desk.run("git-clone", clone, "--allow-loopback")
        assert code == 0, out + err
    code, out, _ = desk.run("git-commit", {"path": "out", "message": "Nothing"})
    assert (code, json.loads(out)["status"]) == (0, "Skipped")


ENDS: dict[str, tuple[str, Any, str, str]] = {
    "failed": ("fail", {"message": "no"}, "Failed", "failed: no"),
    "a config that is wrong": (
        "copy",
        {"inPath": "a"},
        "Failed",
        "outPath: required field is missing",
    ),
    "a terminal error": ("delete", {"path": "../x"}, "Errored", "leads out"),
    "an error that counts": (
        "file-write",
        {"path": "x" * 256, "contents": ""},
        "Errored",
        "cannot write",
    ),
    "a template that is wrong": (
        "fail",
        {"message": "${{ 1 + }}"},
        "Errored",
        "cannot be evaluated",
    ),
    "a secret": (
        "fail",
        {"message": "${{ secret('a').password }}"},
        "Errored",
        "no Airflow Connection",
    ),
    "this machine": ("http", {"url": "http://127.0.0.1:1"}, "Errored", "allow_loopback is off"),
}


@pytest.mark.parametrize(("kind", "config", "status", "message"), ENDS.values(), ids=ENDS)
def test_a_step_that_does_not_succeed_says_why_and_exits_1(
    desk: Desk, kind: str, config: Any, status: str, message: str
) -> None:
    code, out, _ = desk.run(kind, config)
    answer = json.loads(out)
    assert (code, answer["status"], answer["output"]) == (1, status, None)
    assert message in answer["message"]


class Busy(QuietHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def busy() -> Iterator[str]:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Busy)) as url:
        yield url


def test_a_step_that_waits_says_for_how_long_and_exits_3(desk: Desk, busy: str) -> None:
    config = {"url": busy, "successExpression": "response.status == 200", "pollInterval": "1m"}
    code, out, _ = desk.run("http", config, "--allow-loopback")
    answer = json.loads(out)
    assert (code, answer["status"], answer["retryAfter"]) == (3, "Running", 60)


def test_a_second_run_finds_what_the_first_did(desk: Desk) -> None:
    config = {"path": "a/b", "contents": "1"}
    assert desk.run("file-write", config)[0] == 0
    code, out, _ = desk.run("file-write", config)
    assert code == 1
    assert "already exists" in json.loads(out)["message"]


def test_what_a_step_logs_is_no_part_of_the_answer(desk: Desk) -> None:
    assert desk.run("tar", {"inPath": ".", "outPath": "x.tar"})[0] == 0
    content = (desk.work / "x.tar").read_bytes()
    (desk.work / "x.tar").write_bytes(_with_pipe(content))
    code, out, err = desk.run("untar", {"inPath": "x.tar", "outPath": "out"})
    assert code == 0
    assert json.loads(out)["status"] == "Succeeded"
    assert err == "'pipe' is a device or a pipe: left out\n"


def _with_pipe(content: bytes) -> bytes:
    import tarfile

    pipe = tarfile.TarInfo("pipe")
    pipe.type = tarfile.FIFOTYPE
    return pipe.tobuf() + content


USAGE: dict[str, tuple[str, Any, Any, str]] = {
    "an unknown kind": ("yaml-updat", {}, None, "did you mean 'yaml-update'?"),
    "a list": ("fail", [], None, "must be a mapping"),
    "a word": ("fail", "word", None, "must be a mapping"),
    "two documents": ("fail", "a: 1\n---\nb: 2\n", None, "holds 2 documents"),
    "no YAML": ("fail", "a: [", None, "config:2:1: not valid YAML"),
    "a key twice": ("fail", "a: 1\na: 2\n", None, "config:2:1"),
    "a bomb": (
        "fail",
        "a: &a [x]\n"
        + "".join(
            f"{n}: &{n} [{','.join([f'*{p}'] * 20)}]\n"
            for p, n in zip("abcdef", "bcdefg", strict=True)
        ),
        None,
        "cannot read the config",
    ),
    "bytes": ("fail", b"\xff\xfe\xfa", None, "cannot read the config"),
    "brackets": ("fail", "[" * 100_000, None, "cannot read the config"),
    "a python tag": ("fail", "message: !!python/object:os.system x", None, "config:1:"),
    "env is no JSON": ("fail", {}, "{", "not JSON"),
    "env is a list": ("fail", {}, [], "variable → value"),
    "an unknown variable": ("fail", {}, {"var": {}}, "'var' is none of ctx, vars"),
    "ctx is a word": ("fail", {}, {"ctx": "x"}, "ctx must be an object"),
    "freight is an object": ("fail", {}, {"freight": FREIGHT}, "freight must be a list"),
    "freight is a list of words": ("fail", {}, {"freight": ["x"]}, "--env: freight"),
    "freight without origin": ("fail", {}, {"freight": [{}]}, "freight: origin: Field required"),
    "freight with another's name": (
        "fail",
        {},
        {"freight": [{**FREIGHT, "name": "0" * 40}]},
        "forged Freight",
    ),
}


@pytest.mark.parametrize(("kind", "config", "env", "said"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_one_line_and_exit_2(
    desk: Desk, kind: str, config: Any, env: Any, said: str
) -> None:
    code, out, err = desk.run(kind, config, env=env)
    assert (code, out) == (2, "")
    assert err.startswith("airfreight: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "/nowhere/config", "--workdir", "."],
        ["--config", "/", "--workdir", "."],
        ["--config", "a\0b", "--workdir", "."],
        ["--config", "/dev/null", "--workdir", "/nowhere"],
        ["--config", "/dev/null", "--workdir", "/dev/null"],
        ["--config", "/dev/null", "--workdir", ".", "--env", "/nowhere/env"],
    ],
    ids=lambda words: " ".join(words).replace("\0", "NUL"),
)
def test_a_file_that_cannot_be_read_is_one_line_and_exit_2(words: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert main(["step", "fail", *words], World(out, err, {}, lambda _: None)) == 2
    assert out.getvalue() == ""
    assert err.getvalue().startswith("airfreight: ")
    assert err.getvalue().count("\n") == 1


ODD = {
    "nothing": "",
    "null": "null\n",
    "numbers": '{"path": 1, "contents": 2.5}',
    "no numbers": '{"path": NaN, "contents": Infinity}',
    "a surrogate": '{"path": "\\ud800", "contents": "\\udfff"}',
    "a deep value": '{"path": "a", "contents": ' + "[" * 900 + "]" * 900 + "}",
    "a long number": '{"path": "a", "contents": ' + "9" * 5000 + "}",
    "NUL": '{"path": "a\\u0000", "contents": ""}',
    "an endless template": '{"path": "${{ repeat(\\"x\\", 1e12) }}", "contents": ""}',
}


@pytest.mark.parametrize("config", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kind", ["file-write", "compose-output", "yaml-update", "http", "untar"])
def test_an_odd_config_has_an_answer_or_a_line(desk: Desk, kind: str, config: str) -> None:
    code, out, err = desk.run(kind, config)
    assert code in (0, 1, 2)
    if out:
        assert json.loads(out)["status"] in ("Succeeded", "Failed", "Errored")
        assert "fault of the step" not in out
    else:
        assert err.startswith("airfreight: ")
        assert err.count("\n") == 1


@pytest.mark.parametrize("kind", [kind.kind for kind in builtin_steps()])
def test_every_kind_answers_an_empty_config(desk: Desk, kind: str) -> None:
    code, out, _ = desk.run(kind, "{}")
    waits = kind == "wait-for-approval"
    assert code == (Exit.WAITING if waits else Exit.FAILED)
    assert json.loads(out)["status"] == ("Running" if waits else "Failed")


def test_the_example_of_the_page_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "cli.md"
    (text,) = (b.text for b in blocks(page, "bash") if "airfreight step" in b.text)
    env, config = re.findall(r"<<'END'\n(.*?)^END$", text, re.MULTILINE | re.DOTALL)
    command = re.search(r"^airfreight (step .*?) <<", text, re.MULTILINE)
    assert command is not None
    (tmp_path / "env.json").write_text(env)
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    world = World(out, io.StringIO(), {}, lambda _: None)
    args = argument_parser().parse_args(command[1].split())
    assert step.run(args, world, config.splitlines(keepends=True)) == 0
    (shown,) = (b.text for b in blocks(page, "json"))
    assert out.getvalue() == shown
    assert (tmp_path / "values.yaml").read_text() == "replicas: 2\ntag: v1.2.3\n"
