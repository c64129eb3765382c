"""A Git server over SSH for tests: Debian's sshd, on this machine, as the user that runs the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

_CONFIG = """\
AuthorizedKeysFile {folder}/authorized_keys
HostKey {folder}/host_key
KbdInteractiveAuthentication no
ListenAddress 127.0.0.1:{port}
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
StrictModes no
UsePAM no
"""


def new_key(place: Path, kind: str = "ed25519") -> str:
    """Make a key without a passphrase at `place`; return the text of the private key."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(place)], check=True
    )
    return place.read_text()


class GitSshServer:
    """Serves the repositories under `root`; `private_key` opens it, `known_hosts` is the line that says who it is."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        folder.mkdir()
        self.private_key = new_key(folder / "key")
        new_key(folder / "host_key")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    @property
    def known_hosts(self) -> str:
        key = (self._folder / "host_key.pub").read_text().strip()
        return f"[127.0.0.1]:{self.port} {key}"

    def url(self, name: str) -> str:
        """Return the address of repository `name`."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        return f"ssh://{user}@127.0.0.1:{self.port}{self._root}/{name}.git"

    def __enter__(self) -> GitSshServer:
        if os.geteuid() == 0:  # sshd of root wants this folder, which the boot of the machine makes
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        public = (self._folder / "key.pub").read_text()
        (self._folder / "authorized_keys").write_text(f"restrict {public}")
        config = self._folder / "sshd_config"
        config.write_text(_CONFIG.format(folder=self._folder, port=self.port))
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "/usr/sbin/sshd"
        self._process = subprocess.Popen([program, "-D", "-E", f"{config}.log", "-f", str(config)])
        self._wait()
        return self

    def _wait(self) -> None:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, "sshd does not start"
                assert time.monotonic() < end, "sshd does not listen"
                time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
