from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.http_download import HttpDownloadConfig, HttpDownloadStep
from tests.serving import QuietHandler, running
from tests.steps.examples import example_config
from tests.steps.files import context_at

MOST = 1024 * 1024


class Handler(QuietHandler):
    """`/status/<n>`, `/size/<n>`, `/stream/<n>` (no length), `/short`, `/slow`, `/away`; else what was asked."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        if kind in ("stream", "short", "slow"):
            self._odd(kind, rest)
        elif kind == "away":
            self._answer(302, b"", Location="http://169.254.169.254/latest/meta-data")
        elif kind == "status":
            self._answer(int(rest), b"sorry")
        elif kind == "size":
            self._answer(200, b"x" * int(rest))
        else:
            self._answer(200, f"{self.path} {self.headers.get('Authorization')}".encode())

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _odd(self, kind: str, rest: str) -> None:
        self.send_response(200)
        if kind == "short":
            self.send_header("Content-Length", "100")
        self.end_headers()
        if kind == "slow":
            self.wfile.write(b"x")
            time.sleep(1)
        self.wfile.write(b"x" * int(rest or 10))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def download(root: Path, **config: Any) -> None:
    step = HttpDownloadStep(MOST)
    step.run(HttpDownloadConfig.model_validate({"outPath": "a/file", **config}), context_at(root))


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no url": ({"outPath": "a"}, "url"),
    "no outPath": ({"url": "https://a.example"}, "outPath"),
    "a file": ({"url": "file:///etc/passwd", "outPath": "a"}, "begins with http"),
    "no time": ({"url": "https://a.example", "outPath": "a", "timeout": "5"}, "a duration"),
    "a checksum": ({"url": "https://a.example", "outPath": "a", "sha256": "0"}, "Extra inputs"),
    "two lines": (
        {"url": "https://a.example", "outPath": "a", "headers": [{"name": "A", "value": "a\r\nB"}]},
        "must be one line",
    ),
}


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_config_that_is_wrong_says_so(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HttpDownloadConfig.model_validate(config)


def test_it_sends_headers_and_parameters_and_keeps_the_answer(server: str, tmp_path: Path) -> None:
    download(
        tmp_path,
        url=f"{server}/app?a=1",
        headers=[{"name": "Authorization", "value": "Bearer x"}],
        queryParams=[{"name": "b", "value": "ü &"}],
    )
    place = tmp_path / "a/file"
    assert place.read_text() == "/app?a=1&b=%C3%BC+%26 Bearer x"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["size", "stream"])
def test_the_largest_download_is_kept_and_one_byte_more_is_not(
    server: str, tmp_path: Path, kind: str
) -> None:
    download(tmp_path, url=f"{server}/{kind}/{MOST}")
    assert (tmp_path / "a/file").stat().st_size == MOST
    with pytest.raises(TerminalStepError, match="larger than 1 MiB"):
        download(tmp_path, url=f"{server}/{kind}/{MOST + 1}", allowOverwrite=True)
    assert [place.name for place in (tmp_path / "a").iterdir()] == ["file"]
    assert (tmp_path / "a/file").stat().st_size == MOST


@pytest.mark.parametrize("status", [304, 404, 500])
def test_a_server_that_refuses_is_a_failure_that_counts(
    server: str, tmp_path: Path, status: int
) -> None:
    with pytest.raises(RetryableStepError, match=f"failed with status {status}$") as caught:
        download(tmp_path, url=f"{server}/status/{status}")
    assert caught.value.failed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "fault"), [("short", "RemoteProtocolError"), ("slow", "ReadTimeout")]
)
def test_a_download_that_breaks_off_leaves_nothing(
    server: str, tmp_path: Path, path: str, fault: str
) -> None:
    with pytest.raises(RetryableStepError, match=f"to 127.0.0.1 failed: {fault}") as caught:
        download(tmp_path, url=f"{server}/{path}", timeout="500ms")
    assert not caught.value.failed
    assert list((tmp_path / "a").iterdir()) == []


def test_a_second_run_needs_allow_overwrite(server: str, tmp_path: Path) -> None:
    download(tmp_path, url=f"{server}/1")
    with pytest.raises(TerminalStepError, match="a file already, and allowOverwrite is false"):
        download(tmp_path, url=f"{server}/2")
    assert (tmp_path / "a/file").read_text() == "/1 None"
    download(tmp_path, url=f"{server}/2", allowOverwrite=True)
    assert (tmp_path / "a/file").read_text() == "/2 None"


@pytest.mark.parametrize(
    ("path", "message"),
    [("../a", "leads out"), ("folder", "is a folder"), (".git/config", "Git's own files")],
)
def test_an_out_path_that_is_refused_sends_no_request(
    tmp_path: Path, path: str, message: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TerminalStepError, match=message):
        download(tmp_path, url="http://nowhere.invalid", outPath=path)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x", "http://[::ffff:169.254.169.254]/x", "{server}/away"]
)
def test_cloud_metadata_is_not_reached(server: str, tmp_path: Path, url: str) -> None:
    with pytest.raises(TerminalStepError, match="link-local address: requests there are refused"):
        download(tmp_path, url=url.format(server=server))


def test_a_link_in_the_work_directory_is_not_written_through(server: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("safe")
    work = tmp_path / "work"
    work.mkdir()
    (work / "link").symlink_to("../outside")
    with pytest.raises(TerminalStepError, match="leads out"):
        download(work, url=server, outPath="link", allowOverwrite=True)
    assert (tmp_path / "outside").read_text() == "safe"


def test_the_example_of_http_download_fetches_the_chart(server: str, tmp_path: Path) -> None:
    hosts = {"https://charts.example.com": server}
    download(tmp_path, **example_config("http-download", hosts=hosts))
    assert (tmp_path / "charts/shop.tgz").read_text() == "/shop-0.4.1.tgz None"
