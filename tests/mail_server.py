"""A mail server on this machine that keeps what it is given."""

from __future__ import annotations

import asyncio
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class MailServer:
    """Takes mail for every address but those of `refused`, each with the answer to give.

    :param user: the only login; None: none is asked for.
    :param tls: offers STARTTLS, or with `implicit` speaks TLS from the beginning.
    :param answer: what is said to a whole message.
    """

    user: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    answer: str = "250 OK"
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> MailServer:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> asyncio.Server:
        implicit = self.tls if self.implicit else None
        return await self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=implicit)

    def _protocol(self) -> SMTP:
        offered: dict[str, Any] = {} if self.implicit else {"tls_context": self.tls}
        if self.user is not None:
            offered |= {"authenticator": self._authenticate, "auth_require_tls": False}
        return SMTP(self, hostname="localhost", loop=self._loop, **offered)

    async def _stop(self) -> None:
        self._server.close()
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        known = isinstance(data, LoginPassword) and given == self.user
        return AuthResult(success=known, handled=known)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.envelopes.append(envelope)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        transport = server.transport
        self.encrypted.append(transport.get_extra_info("sslcontext") is not None)
        return self.answer
