"""Who is let in, and what a browser may do with our pages.

Without a token only loopback is listened to, and only requests that name loopback as their host are answered: else any
web page that the operator visits could reach the station through a name that points at 127.0.0.1. With a token every
request must carry it, as ``Authorization: Bearer`` or in a cookie that the page's own form sets. Requests that change
something must be JSON and come from our own origin, so that a form on somebody else's page cannot acknowledge alerts.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "edge_station"
MAX_BODY_BYTES = 16_384
_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Gate:
    """Stands before the application and answers what must not reach it."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        """Guard ``app``; without a token only requests to loopback names pass."""
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the request through; every answer gets the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                held = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *held]}
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._token is None and not _is_loopback(host):
            return _no(421, "this station answers to 127.0.0.1 and localhost only; set web.token_file to change that")
        if scope["method"] not in ("GET", "HEAD"):
            origin = headers.get("origin")
            if origin is not None and origin.partition("://")[2] != host:
                return _no(403, "requests that change something must come from this station's own page")
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return _no(415, "send application/json")
            # beside a transfer-encoding a content-length says nothing: the body could be of any size
            if (
                "transfer-encoding" in headers
                or int(headers.get("content-length") or MAX_BODY_BYTES + 1) > MAX_BODY_BYTES
            ):
                return _no(413, f"send at most {MAX_BODY_BYTES} bytes, with their number in content-length")
        if self._token is not None and scope["path"].startswith("/api/") and scope["path"] != "/api/v1/session":
            given = headers.get("authorization", "").removeprefix("Bearer ").strip()
            if not (same(given, self._token) or same(cookie_of(headers), cookie_value(self._token))):
                return _no(401, "this station wants its token (web.token_file)")
        return None


def cookie_value(token: str) -> str:
    """Give what the cookie holds: not the token itself, which would then lie in the browser's files."""
    return hashlib.sha256(b"edge station cookie " + token.encode()).hexdigest()


def cookie_of(headers: Headers) -> str:
    """Read our cookie; empty when there is none."""
    try:
        found: Any = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return str(found.value) if found else ""


def same(given: str, right: str) -> bool:
    """Compare secrets in a time that says nothing about them."""
    return hmac.compare_digest(given.encode(), right.encode())


def _is_loopback(host: str) -> bool:
    """Tell whether a Host header names this machine by an address, which no foreign name server can say, or localhost."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    try:
        return name == "localhost" or ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _no(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=status)
