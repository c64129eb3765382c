"""What the command says without an Airflow behind it: wrong usage, no login, nobody there."""

from __future__ import annotations

import io

import httpx
import pytest

from airfreight.cli.main import main
from airfreight.cli.world import World

LOGIN = {"AIRFREIGHT_USERNAME": "admin", "AIRFREIGHT_PASSWORD": "s3cret-of-the-admin"}


def run(
    *words: str, answer: httpx.Response | Exception, environ: dict[str, str]
) -> tuple[int, str, str]:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    out, err = io.StringIO(), io.StringIO()
    world = World(out, err, environ, lambda seconds: None, httpx.MockTransport(handle))
    return main(words, world), out.getvalue(), err.getvalue()


FAULTS = {
    "no login": ({}, httpx.Response(200), 2, "set AIRFREIGHT_USERNAME and AIRFREIGHT_PASSWORD"),
    "login refused": (LOGIN, httpx.Response(401, json={"detail": "no"}), 3, ""),
    "nobody there": (LOGIN, httpx.ConnectError("refused"), 3, ""),
    "no Airflow": (LOGIN, httpx.Response(200, text="<html>"), 3, ""),
    "URL with a login": (
        {**LOGIN, "AIRFREIGHT_API_URL": "http://a:b@localhost"},
        httpx.Response(200),
        2,
        "holds a login",
    ),
}


@pytest.mark.parametrize(("environ", "answer", "code", "said"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_with_its_exit_code_and_no_secret(environ, answer, code, said):
    exit_code, out, err = run("get", "freight", answer=answer, environ=environ)
    assert exit_code == code
    assert out == ""
    assert err.startswith("airfreight: ")
    assert err.count("\n") == 1
    assert said in err
    assert LOGIN["AIRFREIGHT_PASSWORD"] not in err


@pytest.mark.parametrize(
    "words", [[], ["get"], ["promote", "--stage", "prod"], ["respond", "--approve", "--reject"]]
)
def test_wrong_usage_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: airfreight" in capsys.readouterr().err
