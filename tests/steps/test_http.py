from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.expr.limits import Limits
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import StepResult
from airfreight.steps.http import HttpConfig, HttpStep
from tests.serving import QuietHandler, running
from tests.steps.examples import example_config
from tests.steps.files import context_at

TWO_MIB = 2 * 1024 * 1024
ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "/json": (200, "application/json", b'{"ok": true, "n": 7}'),
    "/yaml": (200, "application/yaml", b"ok: true\nd: 2026-01-01\n"),
    "/bomb": (200, "application/yaml", b"a: &a [1]\nb: [*a, *a]\n"),
    "/api/incidents?service=shop": (200, "application/json", b'{"incidents": []}'),
    "/text": (200, "text/plain", b"hello"),
    "/odd": (200, "image/png", b'{"ok": true}'),
    "/odd-no-json": (200, "image/png", b"\x89PNG"),
    "/bad-json": (200, "application/json", b"{"),
    "/empty": (200, "application/json", b""),
    "/busy": (429, "text/plain", b"slow down"),
    "/limited": (429, "text/plain", b"slow down"),
    "/away": (503, "text/plain", b""),
    "/moved": (302, "text/plain", b""),
    "/moved-away": (302, "text/plain", b""),
    "/slow": (200, "text/plain", b"x" * 40),
    "/full": (200, "text/plain", b"x" * TWO_MIB),
    "/too-much": (200, "text/plain", b"x" * (TWO_MIB + 1)),
}
HEADERS = {
    "/limited": ("Retry-After", "90"),
    "/away": ("Retry-After", "Fri, 31 Dec 9999 12:00:00 GMT"),
    "/moved": ("Location", "/json"),
    "/moved-away": ("Location", "http://169.254.169.254/latest"),
}


class Handler(QuietHandler):
    def answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        status, kind, content = ANSWERS.get(
            self.path, (200, "text/plain", f"{self.command} {self.path} ".encode() + body)
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("X-Seen", self.headers.get("X-Sent", "-"))
        self.send_header("Content-Length", str(len(content)))
        if self.path in HEADERS:
            self.send_header(*HEADERS[self.path])
        self.end_headers()
        for byte in content if self.path == "/slow" else b"":
            time.sleep(0.05)
            self.wfile.write(bytes([byte]))
        self.wfile.write(b"" if self.path == "/slow" else content)

    do_GET = do_POST = do_PUT = answer


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def ask(url: str, root: Path, **config: Any) -> StepResult:
    return HttpStep().run(HttpConfig.model_validate({"url": url, **config}), context_at(root))


def body_of(url: str, root: Path, **config: Any) -> Any:
    outputs = [{"name": "body", "fromExpression": "response.body"}]
    output = ask(url, root, outputs=outputs, **config).output
    assert output is not None
    return output["body"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/json", {"ok": True, "n": 7}),
        ("/yaml", {"ok": True, "d": "2026-01-01"}),
        ("/text", "hello"),
        ("/odd", {"ok": True}),
        ("/odd-no-json", {}),
        ("/empty", {}),
    ],
)
def test_the_body_is_read_by_its_type(server: str, tmp_path: Path, path: str, body: Any):
    assert body_of(server + path, tmp_path) == body


def test_the_configured_type_overrides_the_header(server: str, tmp_path: Path):
    assert body_of(f"{server}/odd", tmp_path, responseContentType="text/plain") == '{"ok": true}'


def test_method_query_and_body_are_sent(server: str, tmp_path: Path):
    (tmp_path / "body.txt").write_text("from file")
    query = [{"name": "q", "value": "a b"}]
    sent = body_of(
        f"{server}/echo?x=1", tmp_path, method="POST", queryParams=query, bodyFromFile="body.txt"
    )
    assert sent in ("POST /echo?x=1&q=a%20b from file", "POST /echo?x=1&q=a+b from file")


def test_a_proxy_is_asked_for_an_address_that_only_it_knows(server: str, tmp_path: Path):
    sent = body_of("http://inside.example/orders", tmp_path, proxy=server)
    assert sent == "GET http://inside.example/orders "


def test_header_gives_the_first_value_whatever_the_case(server: str, tmp_path: Path):
    outputs = [{"name": "seen", "fromExpression": "response.header('x-seen')"}]
    headers = [{"name": "X-Sent", "value": "v"}]
    assert ask(f"{server}/json", tmp_path, headers=headers, outputs=outputs).output == {"seen": "v"}


@pytest.mark.parametrize(
    ("path", "config", "status", "retry_after"),
    [
        ("/json", {}, StepStatus.SUCCEEDED, None),
        ("/busy", {}, StepStatus.RUNNING, timedelta(minutes=5)),
        ("/json", {"successExpression": "response.body.n == 7"}, StepStatus.SUCCEEDED, None),
        (
            "/json",
            {"successExpression": "response.status == 201", "pollInterval": "20s"},
            StepStatus.RUNNING,
            timedelta(seconds=20),
        ),
        (
            "/json",
            {"failureExpression": "response.status == 500"},
            StepStatus.RUNNING,
            timedelta(seconds=30),
        ),
        (
            "/limited",
            {"successExpression": "response.status == 200"},
            StepStatus.RUNNING,
            timedelta(seconds=90),
        ),
        ("/limited", {}, StepStatus.RUNNING, timedelta(minutes=5)),
        ("/away", {}, StepStatus.RUNNING, timedelta(hours=1)),
        ("/moved", {"successExpression": "response.body.ok"}, StepStatus.SUCCEEDED, None),
    ],
)
def test_expressions_judge_the_answer(
    server: str,
    tmp_path: Path,
    path: str,
    config: dict[str, Any],
    status: StepStatus,
    retry_after: timedelta | None,
):
    result = ask(server + path, tmp_path, **config)
    assert (result.status, result.retry_after) == (status, retry_after)


def test_failure_comes_before_success_and_carries_the_error_expression(server: str, tmp_path: Path):
    message = r'^HTTP \(429\) response met failure criteria: "slow down"$'
    with pytest.raises(TerminalStepError, match=message) as caught:
        ask(
            f"{server}/busy",
            tmp_path,
            successExpression="true",
            failureExpression="response.status == 429",
            errorExpression="response.body",
        )
    assert caught.value.failed


def test_two_mebibytes_are_read_and_one_byte_more_is_an_error(server: str, tmp_path: Path):
    assert len(body_of(f"{server}/full", tmp_path)) == TWO_MIB
    with pytest.raises(RetryableStepError, match="larger than 2 MiB"):
        ask(f"{server}/too-much", tmp_path)


@pytest.mark.parametrize(
    ("path", "config", "error", "message"),
    [
        (
            "/slow",
            {"timeout": "200ms"},
            RetryableStepError,
            "GET request to .* failed: ReadTimeout",
        ),
        ("/moved-away", {}, TerminalStepError, "169.254.169.254, a link-local address"),
        (
            "/json",
            {"proxy": "http://169.254.169.254:80"},
            TerminalStepError,
            "a link-local address",
        ),
        (
            "/json",
            {"proxy": "http://u:hunter2@[fe80::1]:80"},
            TerminalStepError,
            "^fe80::1 leads to",
        ),
        ("/bad-json", {}, RetryableStepError, "body is no application/json"),
        ("/bomb", {}, RetryableStepError, "body is no application/yaml"),
        ("/json", {"successExpression": "response.body.n"}, RetryableStepError, "true or false"),
        ("/json", {"successExpression": "("}, TerminalStepError, "successExpression"),
        (
            "/json",
            {"successExpression": "secret('x') == nil"},
            TerminalStepError,
            r"secret\(\) is available in .*, not in an expression over a response or document",
        ),
        (
            "/json",
            {"outputs": [{"name": "a", "fromExpression": "reduce(1..9000, [#acc], 1)"}]},
            RetryableStepError,
            "outputs 'a': the value nests too deeply",
        ),
        ("/json", {"bodyFromFile": "none"}, TerminalStepError, "no such file"),
        ("/json", {"bodyFromFile": "../x"}, TerminalStepError, "leads out"),
    ],
)
def test_what_goes_wrong_is_said(
    server: str,
    tmp_path: Path,
    path: str,
    config: dict[str, Any],
    error: type[Exception],
    message: str,
):
    with pytest.raises(error, match=message):
        ask(server + path, tmp_path, **config)


@pytest.mark.parametrize(
    "expressions",
    [
        {"successExpression": "len(repeat('a', 5000)) > 0"},
        {"failureExpression": "len(repeat('a', 5000)) == 0"},
        {"outputs": [{"name": "a", "fromExpression": "repeat('a', 5000)"}]},
    ],
    ids=lambda expressions: next(iter(expressions)),
)
def test_the_limits_of_the_settings_hold_for_expressions_over_a_response(
    server: str, tmp_path: Path, expressions: dict[str, Any]
):
    context = context_at(tmp_path)
    settings = replace(context.settings, expression_limits=Limits(memory=500))
    config = HttpConfig.model_validate({"url": f"{server}/json", **expressions})
    with pytest.raises(RetryableStepError, match="makes values of more than"):
        HttpStep().run(config, replace(context, settings=settings))


def test_a_failed_connection_counts_as_an_error_and_shows_no_login(tmp_path: Path):
    with pytest.raises(RetryableStepError, match=r"GET request to 127\.0\.0\.1 failed") as caught:
        ask("http://user:hunter2@127.0.0.1:9/", tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "Field required"),
        ({"url": "file:///etc/passwd"}, "begins with http"),
        ({"url": "http://x", "proxy": "socks5://127.0.0.1:1"}, "begins with http"),
        ({"url": "http://x", "method": "TRACE"}, "Input should be 'GET'"),
        ({"url": "http://x", "body": "a", "bodyFromFile": "b"}, "at most one of body"),
        ({"url": "http://x", "headers": [{"name": "a b", "value": ""}]}, "a header name"),
        ({"url": "http://x", "headers": [{"name": "a", "value": "b\r\nc: d"}]}, "one line"),
        ({"url": "http://x", "timeout": "soon"}, "expected a duration"),
        ({"url": "http://x", "responseContentType": "text/html"}, "Input should be"),
    ],
)
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        HttpConfig.model_validate(config)


def test_the_example_of_http_puts_out_whether_an_incident_is_open(server: str, tmp_path: Path):
    config = example_config("http", hosts={"https://status.example.com": server})
    result = HttpStep().run(HttpConfig.model_validate(config), context_at(tmp_path))
    assert (result.status, result.output) == (StepStatus.SUCCEEDED, {"open": False})
