from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.confined import Confined, confined, find_program, namespaces_work
from tests.chart_repository import write_chart
from tests.steps.files import context_at

ENDLESS = (
    "{{ range until 3000 }}{{ range until 3000 }}{{ range until 3000 }}{{ end }}{{ end }}{{ end }}"
)


def no_namespaces() -> bool:
    return False


@pytest.fixture(params=[namespaces_work, no_namespaces], ids=["jail", "no-jail"])
def namespaces(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_chart(tmp_path / "work", "app")
    return tmp_path / "work"


def processes_of(place: Confined) -> list[str]:
    """Return the command lines on this machine that name the run's private home."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if str(place.home.parent) in line]


def test_the_kernel_of_the_tests_makes_jails():
    assert namespaces_work()


def test_a_program_that_is_not_there_is_named_with_its_package():
    with pytest.raises(TerminalStepError, match="program no-such-program is not installed"):
        find_program("no-such-program", {"no-such-program": "a-package"})


def test_a_program_works_and_says_its_version(
    root: Path, namespaces: Callable[[], bool], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    with confined(context_at(root), namespaces=namespaces) as place:
        assert "name: x-app" in place.run("helm", "template", "x", "app")
        (root / "k").mkdir()
        (root / "k/kustomization.yaml").write_text("configMapGenerator: [{name: a}]\n")
        assert "kind: ConfigMap" in place.run("kubectl", "kustomize", "k")
    assert "helm: v3." in caplog.text
    assert "Kustomize Version: v5." in caplog.text
    assert ("only weaker measures hold" in caplog.text) == (namespaces is no_namespaces)
    assert not place.home.exists()


def test_the_environment_is_made_for_the_program(
    root: Path, namespaces: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HELM_KUBETOKEN", "s3cret")
    monkeypatch.setenv("HELM_PLUGINS", "/plugins")
    with confined(context_at(root), namespaces=namespaces) as place:
        said = place.run("helm", "env")
        assert "s3cret" not in said
        assert f'HELM_PLUGINS="{place.home}/plugins"' in said
        assert f'HELM_REPOSITORY_CONFIG="{place.home}/config/repositories.yaml"' in said


def test_in_a_jail_there_is_nothing_but_the_work_directory(root: Path, tmp_path: Path):
    write_chart(tmp_path, "other")
    with confined(context_at(root)) as place:
        for path in (tmp_path / "other", "/etc", "../other"):
            with pytest.raises(TerminalStepError, match=r"not found|no such file"):
                place.run("helm", "template", "x", str(path))


def test_without_a_jail_a_link_that_leads_out_is_refused(root: Path, tmp_path: Path):
    (root / "inside").symlink_to("app")
    context = context_at(root)
    with confined(context, namespaces=no_namespaces) as place:
        assert place.run("helm", "template", "x", "inside")
    (root / "app/link").symlink_to(tmp_path)
    with (
        pytest.raises(TerminalStepError, match="app/link is a link that leads out"),
        confined(context, namespaces=no_namespaces),
    ):
        pass


def test_the_network_is_closed(root: Path, namespaces: Callable[[], bool]):
    with (
        confined(context_at(root), namespaces=namespaces) as place,
        pytest.raises(TerminalStepError, match=r"127\.0\.0\.1:9|unreachable"),
    ):
        place.run("helm", "pull", "app", "--repo=http://charts.example.com")


def test_a_program_that_takes_too_long_is_ended_with_its_children(
    root: Path, namespaces: Callable[[], bool]
):
    (root / "app/templates/map.yaml").write_text(ENDLESS)
    with confined(context_at(root), namespaces=namespaces) as place:
        with pytest.raises(RetryableStepError, match=r"took longer than 0\.3 s"):
            replace(place, time_limit=0.3).run("helm", "template", "x", "app")
        assert processes_of(place) == []


def test_only_the_program_gets_the_variables_that_are_for_it(
    root: Path, namespaces: Callable[[], bool]
):
    given = {"GREETING": 'it\'s $HOME\n"me"', "LD_PRELOAD": "/no/such.so"}
    with confined(context_at(root), network=True, namespaces=namespaces) as place:
        shown = replace(place, environment=given)
        printed = shown.call(Path("/bin/sh"), "-c", 'printf %s "$GREETING"; ls -l "$HOME"')[1]
    assert printed.startswith(given["GREETING"])
    assert "-rw------- " in printed


def test_a_program_with_a_grace_may_put_things_in_order(root: Path, namespaces: Callable[[], bool]):
    script = root / "slow.sh"
    script.write_text(
        "#!/bin/sh\ntrap 'echo saved > state; exit' INT\nwhile :; do sleep 0.1; done\n"
    )
    script.chmod(0o755)
    with confined(context_at(root), network=True, namespaces=namespaces) as place:
        patient = replace(place, time_limit=8.0, grace=30.0, folder=root / "app")
        with pytest.raises(RetryableStepError, match=r"slow\.sh now took longer than 8 s"):
            patient.call(script, "now")
        assert processes_of(place) == []
    assert (root / "app/state").read_text() == "saved\n"


def test_a_file_may_be_larger_than_what_is_printed(root: Path, namespaces: Callable[[], bool]):
    with confined(context_at(root), network=True, namespaces=namespaces) as place:
        small = replace(place, output_limit=65536, file_limit=1024 * 1024)
        (root / "big").write_bytes(bytes(2 * 1024 * 1024))
        arguments = ("if=big", f"of={place.home}/file", "bs=1024")
        small.call(Path("/bin/dd"), *arguments, "count=1024")
        with pytest.raises(RetryableStepError, match="dd if=big failed"):
            small.call(Path("/bin/dd"), *arguments, "count=1025")


class _AbortedError(BaseException):
    pass


def test_a_program_is_ended_when_the_step_is_aborted(root: Path, namespaces: Callable[[], bool]):
    def abort(*_: object) -> None:
        raise _AbortedError

    (root / "app/templates/map.yaml").write_text(ENDLESS)
    former = signal.signal(signal.SIGALRM, abort)
    try:
        with confined(context_at(root), namespaces=namespaces) as place:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(_AbortedError):
                place.run("helm", "template", "x", "app")
            assert processes_of(place) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_output_is_bounded(root: Path, namespaces: Callable[[], bool]):
    (root / "app/templates/map.yaml").write_text("{{ range until 30000 }}a: b\n{{ end }}")
    with confined(context_at(root), namespaces=namespaces) as place:
        small = replace(place, output_limit=65536)
        with pytest.raises(TerminalStepError, match="printed more than 65,536 bytes"):
            small.run("helm", "template", "x", "app")
        with pytest.raises(TerminalStepError, match="helm template failed"):
            small.run("helm", "template", "x", "app", f"--output-dir={place.home / 'out'}")


def test_a_login_shows_in_no_message(root: Path):
    (root / "app/templates/map.yaml").write_text('{{ fail "pass s3cret and http://a:b@c" }}')
    with confined(context_at(root)) as place, pytest.raises(TerminalStepError) as caught:
        replace(place, secrets=("s3cret",)).run("helm", "template", "x", "app")
    assert "pass *** and http://***@c" in str(caught.value)


def test_what_a_program_may_read_of_the_machine_it_cannot_change(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bundle = tmp_path / "certs" / "bundle.crt"
    bundle.parent.mkdir()
    bundle.write_text("the machine's own")
    monkeypatch.setenv("SSL_CERT_DIR", str(bundle.parent))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with confined(context_at(root), network=True) as place:
        assert "name: x-app" in place.run("helm", "template", "x", "app")
        with pytest.raises(RetryableStepError, match="read-only file system"):
            place.run("helm", "package", "app", "-d", str(bundle.parent))
    assert [file.name for file in bundle.parent.iterdir()] == ["bundle.crt"]
    assert bundle.read_text() == "the machine's own"
