"""Ssh's ProxyCommand: hands ssh a connection that was made through the guard of `git_guard`.

A program of its own, ``python -I -S git_proxy_command.py <port of the guard> <host> <port>``, which must start fast and
so imports nothing of ours.
"""

from __future__ import annotations

import socket
import struct
import sys


def main(guard: str, host: str, port: str) -> int:
    """Ask the guard for the connection and pass it to ssh over standard output (ProxyUseFdpass)."""
    with socket.create_connection(("127.0.0.1", int(guard))) as connection:
        name = host.strip("[]").encode()
        connection.sendall(b"\5\1\0")
        request = struct.pack("!BBBBB", 5, 1, 0, 3, len(name)) + name
        greeting = connection.recv(2, socket.MSG_WAITALL)
        connection.sendall(request + struct.pack("!H", int(port)))
        answer = connection.recv(10, socket.MSG_WAITALL)
        if greeting != b"\5\0" or answer[1:2] != b"\0":
            return 1
        with socket.socket(fileno=sys.stdout.fileno()) as ssh:
            socket.send_fds(ssh, [b"\0"], [connection.fileno()])
            ssh.detach()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
