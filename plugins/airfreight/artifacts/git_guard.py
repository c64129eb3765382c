"""The only way out for git, ssh, helm and kustomize: a SOCKS server (RFC 1928) that connects to checked addresses only.

They resolve names and follow redirects by themselves, so no check of a URL beforehand can hold. Through this door every
connection, redirected or not, is resolved once, checked, and made to a checked address.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

import httpcore

from airfreight.artifacts.guarded_http import checked_addresses
from airfreight.errors import RefusedError

_CHUNK = 1 << 18
_CONNECT_SECONDS = 30.0
_ADDRESS_SIZES = {1: 4, 4: 16}
_DONE, _REFUSED, _UNREACHABLE = 0, 2, 4


class NetworkGuard:
    """Runs on this machine while the `with` block lasts; `problems` says which connections were not made and why."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self.problems: list[str] = []
        self._allow_loopback = allow_loopback
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> NetworkGuard:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._door = threading.Thread(target=self._listen, daemon=True)
        self._door.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _shut(self._listener)  # wakes `accept`, which a mere close does not
        self._door.join()
        self._listener.close()
        for connection in self._open:
            _shut(connection)
        for thread in self._threads:
            thread.join()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 where the server listens."""
        return int(self._listener.getsockname()[1])

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            host, port = _read_request(client)
            server = self._connect(host, port)
            if isinstance(server, int):
                client.sendall(_answer(server))
                return
            with server:
                self._open.append(server)
                client.sendall(_answer(_DONE))
                outwards = threading.Thread(target=_pump, args=(client, server), daemon=True)
                outwards.start()
                _pump(server, client)
                outwards.join()

    def _connect(self, host: str, port: int) -> socket.socket | int:
        """Return a connection, or the number of the answer that says why there is none."""
        try:
            addresses = checked_addresses(host, port, allow_loopback=self._allow_loopback)
        except RefusedError as error:
            self.problems.append(str(error))
            return _REFUSED
        except httpcore.ConnectError:
            self.problems.append(f"Could not resolve host: {host}")
            return _UNREACHABLE
        for address in addresses:
            try:
                return socket.create_connection((address, port), _CONNECT_SECONDS)
            except OSError as error:
                reason = error.strerror or error
                self.problems.append(f"Failed to connect to {host} port {port}: {reason}")
        return _UNREACHABLE


def _read_request(client: socket.socket) -> tuple[str, int]:
    """Return host and port that the client asks for, after its greeting (no login) was answered."""
    client.settimeout(_CONNECT_SECONDS)
    _, methods = _read(client, 2)
    _read(client, methods)
    client.sendall(b"\5\0")
    _, _, _, kind = _read(client, 4)
    if kind in _ADDRESS_SIZES:
        family = socket.AF_INET if kind == 1 else socket.AF_INET6
        host = socket.inet_ntop(family, _read(client, _ADDRESS_SIZES[kind]))
    else:
        host = _read(client, _read(client, 1)[0]).decode("ascii", "replace")
    (port,) = struct.unpack("!H", _read(client, 2))
    return host, port


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _answer(code: int) -> bytes:
    return struct.pack("!BBBB4sH", 5, code, 0, 1, bytes(4), 0)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until the source ends, then say so to the target."""
    source.settimeout(None)
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
