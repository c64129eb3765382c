"""A server that gives tokens for a registry, over https with a certificate of its own making."""

from __future__ import annotations

import base64
import json
import re
import ssl
import tempfile
from collections.abc import Generator, Iterable
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.serving import QuietHandler, Serving

SERVICE = "tests"
_PATH = re.compile(r"/v2/(?P<name>.+)/(?:manifests|blobs|tags)/")


class TokenServer(Serving):
    """Gives `user` (name, password) every scope that he asks for, and others none.

    `scopes` are those that were asked for, in their order, a list for each request.
    """

    def __init__(self, user: tuple[str, str]) -> None:
        login = base64.b64encode(":".join(user).encode()).decode()
        self._login = f"Basic {login}"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certificate(self._key)
        self.certificate = self._certificate.public_bytes(serialization.Encoding.PEM)
        self.scopes: list[list[str]] = []
        server = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
                server.scopes.append(scopes)
                allowed = self.headers.get("Authorization") == server._login
                body = json.dumps({"token": server.sign(scopes if allowed else [])}).encode()
                self.send_response(200 if allowed else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                """Know no form of OAuth2: a client then asks by GET."""
                self.send_response(405)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = self._tls().wrap_socket(self._server.socket, server_side=True)
        self.realm = f"https://127.0.0.1:{self._server.server_port}/token"

    def sign(self, scopes: Iterable[str]) -> str:
        """Return a token for scopes such as ``repository:acme/web:pull,push``."""
        now = datetime.now(UTC)
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {
            "iss": SERVICE,
            "aud": SERVICE,
            "sub": "",
            "jti": str(len(self.scopes)),
            "iat": now,
            "nbf": now - timedelta(minutes=1),
            "exp": now + timedelta(minutes=5),
            "access": access,
        }
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"x5c": [base64.b64encode(der).decode()]}
        return jwt.encode(claims, self._key, algorithm="ES256", headers=header)

    def auth(self) -> httpx.Auth:
        """Return what opens every repository to a test's own client."""
        return _Anywhere(self)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            key = self._key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            file = Path(folder) / "both.pem"
            file.write_bytes(key + self.certificate)
            context.load_cert_chain(file)
        return context


class _Anywhere(httpx.Auth):
    def __init__(self, server: TokenServer) -> None:
        self._server = server

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        found = _PATH.match(request.url.path)
        scopes = [f"repository:{found['name']}:pull,push"] if found else []
        request.headers["Authorization"] = f"Bearer {self._server.sign(scopes)}"
        yield request


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
