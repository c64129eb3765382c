"""Odd arguments and odd servers: one line on stderr, a documented exit code, and no other endpoint than was meant."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airfreight.cli.api import AirflowApi, TaskInfo
from airfreight.cli.main import main
from airfreight.cli.world import World
from airfreight.errors import AirfreightError, RefusedError
from airfreight.model.naming import stage_register_asset, warehouse_asset

TOKEN = "canary-token-0123456789"
ENVIRON = {"AIRFREIGHT_TOKEN": TOKEN}
ODD_WORDS = {
    "nothing": "",
    "a space": " ",
    "a slash": "a/b",
    "a parent": "..",
    "a path": "../../assets",
    "a query": "dev?limit=1",
    "a fragment": "dev#x",
    "a percent": "%2e%2e%2f",
    "all": "~",
    "a line break": "dev\nairfreight: done",
    "an escape": "\x1b[2Jdev",
    "other letters": "дев🚢",
    "half a character": "\udcff",
    "NUL": "a\0b",
    "10 kB": "x" * 10_000,
}
COMMANDS = {
    "get freight --warehouse": ["get", "freight", "--warehouse={}"],
    "get freight --stage": ["get", "freight", "--stage={}"],
    "get freight --name": ["get", "freight", "--name={}", "--alias=x"],
    "get freight --alias": ["get", "freight", "--alias=x{}"],
    "get freight --project": ["get", "freight", "--project={}"],
    "get stages": ["get", "stages", "--stage={}"],
    "get promotions": ["get", "promotions", "--stage={}"],
    "get promotions --name": ["get", "promotions", "--name=x{}"],
    "refresh": ["refresh", "warehouse", "--", "{}"],
    "assemble": ["assemble", "--artifact=a=1", "--", "{}"],
    "discover --pipelines": ["discover", "shop", "web", "--pipelines=/nowhere/{}"],
    "approve --stage": ["approve", "--freight=a", "--stage={}"],
    "approve --freight": ["approve", "--freight={}", "--stage=dev"],
    "promote --stage": ["promote", "--freight=a", "--stage={}"],
    "promote --freight-alias": ["promote", "--freight-alias={}", "--stage=dev"],
    "respond": ["respond", "--approve", "--", "{}"],
    "--api-url": ["get", "stages", "--api-url=ftp://{}"],
    "step": ["step", "--config=/dev/null", "--workdir=.", "--", "{}"],
    "step --config": ["step", "fail", "--config=/nowhere/{}", "--workdir=."],
    "step --workdir": ["step", "fail", "--config=/dev/null", "--workdir=/nowhere/{}"],
    "step --env": ["step", "fail", "--config=/dev/null", "--workdir=.", "--env=/nowhere/{}"],
    "validate": ["validate", "--", "{}"],
    "validate --pipelines": ["validate", "--pipelines=/nowhere/{}"],
}


# Keys that are in no register yet. Exactly these: a word that becomes part of a key is caught.
NO_KEYS = {
    "/api/v2/assets/0/state-store/aliases",
    "/api/v2/assets/0/state-store/index",
    "/api/v2/assets/1/state-store/current",
    "/api/v2/assets/1/state-store/promotions",
    "/api/v2/assets/1/state-store/hold%2FWarehouse%2Fweb",
}


def airflow(request: httpx.Request) -> httpx.Response:
    """Answer as an Airflow with one Warehouse, one Stage and no Freight."""
    consumer = [{"dag_id": "shop.pipeline.web", "task_id": "freight"}]
    uris = [warehouse_asset("shop", "web"), stage_register_asset("shop", "dev")]
    assets = [{"id": n, "uri": uri, "consuming_tasks": consumer} for n, uri in enumerate(uris)]
    answers = {
        "/api/v2/assets": {"assets": assets, "total_entries": 2},
        "/api/v2/assets/0/state-store": {"asset_state_store": [], "total_entries": 0},
        "/api/v2/assets/1/state-store": {"asset_state_store": [], "total_entries": 0},
        "/api/v2/dags/~/dagRuns/~/hitlDetails": {"hitl_details": [], "total_entries": 0},
        "/api/v2/dags/shop.pipeline.web/dagRuns/~/taskInstances": {
            "task_instances": [],
            "total_entries": 0,
        },
    }
    assert request.method == "GET", request.url
    path = request.url.raw_path.decode().partition("?")[0]
    if path in NO_KEYS:
        return httpx.Response(404, json={"detail": "no such key"})
    assert path in answers, path
    return httpx.Response(200, json=answers[path])


def run(words: list[str], transport: httpx.BaseTransport | None) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(words, World(out, err, ENVIRON, lambda seconds: None, transport))
    return code, out.getvalue(), err.getvalue()


def check_one_line(code: int, out: str, err: str, codes: set[int]) -> None:
    assert code in codes
    assert out == ""
    assert err.startswith("airfreight: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert TOKEN not in err
    err.encode()


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("odd", ODD_WORDS.values(), ids=ODD_WORDS)
def test_an_odd_word_is_one_line_and_reaches_nothing_else(words, odd):
    """Guards: `_check_words`, `printable` in `_one_line`, and `Directory`, by which alone ids reach a path."""
    result = run([word.replace("{}", odd) for word in words], httpx.MockTransport(airflow))
    if result[0] == 0:  # an empty `--name` or `--stage` asks for nothing in particular
        assert odd == ""
        return
    check_one_line(*result, {1, 2})


@given(
    st.text(min_size=1, max_size=20)
    | st.sampled_from([".", "..", "...", "~", "%2e", "a/../b", "?", "#"])
)
@settings(derandomize=True, database=None, max_examples=300)
def test_an_id_of_any_character_stays_one_segment_of_its_path(odd):
    """Guard: `_path` quotes every part, and refuses those that a client takes out of a path."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"detail": "no"})

    task = TaskInfo(dag_id="d", dag_run_id=odd, task_id="t", state=None)
    client = httpx.Client(base_url="http://a", transport=httpx.MockTransport(answer))
    with client, pytest.raises(AirfreightError) as fault:
        AirflowApi(client).respond(task, "Approve", {})
    if not odd.strip("."):
        assert isinstance(fault.value, RefusedError)
        assert seen == []
    elif seen:
        parts = seen[0].split("/")
        assert parts[:6] == ["", "api", "v2", "dags", "d", "dagRuns"]
        assert unquote(parts[6]) == odd
        assert parts[7:] == ["taskInstances", "t", "-1", "hitlDetails"]


def test_a_part_that_is_no_segment_is_refused():
    """Guard: the check at the top of `_path`; httpx would ask for ``/api/v2/dags`` instead."""
    with httpx.Client(base_url="http://a", transport=httpx.MockTransport(airflow)) as client:
        for odd in ("", ".", ".."):
            with pytest.raises(RefusedError):
                AirflowApi(client).run("d", odd)


ANSWERS = {
    "401": (b"401 Unauthorized", b'{"detail": "no"}', 3),
    "403": (b"403 Forbidden", b'{"detail": "no"}', 1),
    "404": (b"404 Not Found", b'{"detail": {"reason": "no"}}', 1),
    "409": (b"409 Conflict", b'{"detail": "line\\n\\u001b[31mline"}', 1),
    "422": (b"422 Unprocessable", b'{"detail": [{"loc": ["a"]}]}', 1),
    "500": (b"500 Internal Server Error", b"<html>Traceback</html>", 3),
    "a page of 1 MB with 500": (
        b"500 Internal Server Error",
        b'{"detail": "%s"}' % (b"x" * (1 << 20)),
        3,
    ),
    "a redirect": (b"302 Found\r\nLocation: http://127.0.0.1:1/", b"", 3),
    "HTML": (b"200 OK", b"<html>", 3),
    "nothing": (b"200 OK", b"", 3),
    "cut JSON": (b"200 OK", b'{"assets": [', 3),
    "deep JSON": (b"200 OK", b"[" * 100_000, 3),
    "a number of 10,000 digits": (b"200 OK", b"9" * 10_000, 3),
    "JSON of another shape": (b"200 OK", b'{"assets": {"a": 1}}', 3),
    "assets that are none": (b"200 OK", b'{"assets": [null], "total_entries": 1}', 3),
    "no UTF-8": (b"200 OK", b'{"assets": "\xff"}', 3),
    "broken compression": (b"200 OK\r\nContent-Encoding: gzip", b"x", 3),
    "a cut body": (b"200 OK\r\nContent-Length: 99", b"{", 3),
    "no HTTP": (b"", b"SSH-2.0\r\n", 3),
    "a closed connection": (b"", b"", 3),
}


def serve(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(answer)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.settimeout(10)
        yield bound


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_strange_server_is_one_line_with_its_exit_code(listener, status, body, expected):
    """Guards: the `except` clauses of `_call`, `_json_of`, `_detail_of` and `_read`; `_LONGEST_DETAIL`."""
    head = b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n" if status else b""
    server = threading.Thread(target=serve, args=(listener, head + body))
    server.start()
    url = f"--api-url=http://127.0.0.1:{listener.getsockname()[1]}"
    result = run(["get", "stages", url], None)
    server.join()
    check_one_line(*result, {expected})
    assert len(result[2]) < 1_000


URLS = {
    "nobody there": ("http://127.0.0.1:1", 3),
    "no such host": ("http://nobody.invalid", 3),
    "a port beyond all": ("http://localhost:99999", 2),
    "no host": ("http://", 2),
    "a bracket": ("http://[::1", 2),
    "a label of 300 letters": (f"http://{'x' * 300}.example", 2),
    "odd letters": ("http://\u2603\u200d", 2),
}


@pytest.mark.parametrize(("url", "expected"), URLS.values(), ids=URLS)
def test_a_url_that_leads_nowhere_is_one_line(url, expected):
    """Guards: `read_url`, and `httpx.HTTPError` in `_call`."""
    check_one_line(*run(["get", "stages", f"--api-url={url}"], None), {expected})


@pytest.mark.parametrize("ending", ["\n", "\r\nX: y", " x", "\0", "é"], ids=ascii)
def test_a_token_that_is_no_header_is_refused_and_not_shown(ending):
    """Guard: `use_token`; without it the HTTP library's message repeats the token."""
    out, err = io.StringIO(), io.StringIO()
    world = World(out, err, {"AIRFREIGHT_TOKEN": TOKEN + ending}, lambda seconds: None)
    code = main(["get", "stages", "--api-url=http://127.0.0.1:1"], world)
    check_one_line(code, out.getvalue(), err.getvalue(), {3})
    assert "AIRFREIGHT_TOKEN is no token" in err.getvalue()
