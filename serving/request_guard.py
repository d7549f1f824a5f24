"""What is checked of a request before anything else reads it: its token, and the size of its body."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN_PATHS = {"/", "/page.css", "/page.js", "/docs", "/openapi.json", "/healthz"}
"""They hold nothing secret: the page asks for the token."""
BODY_SECONDS = 30


class RequestGuard:
    """ASGI middleware that refuses requests without the token (401), and large (413) or slow (408) bodies."""

    def __init__(self, app: App, *, token: str | None, max_body: int) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._max_body = max_body

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Check one request, and pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._is_allowed(scope):
            refusal = _error(401, "send the server's token in the header Authorization: Bearer TOKEN")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            await refusal(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read_body(receive, self._max_body)
        except TimeoutError:
            await _error(408, f"the body of the request took longer than {BODY_SECONDS} seconds")(scope, receive, send)
            return
        if body is None:
            await _error(413, f"the body of the request exceeds {self._max_body:,} bytes")(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _is_allowed(self, scope: Mapping[str, Any]) -> bool:
        if self._token is None or scope["path"] in OPEN_PATHS:
            return True
        scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        # in constant time, so that the time taken does not tell how much of a token is right
        return scheme.lower() == b"bearer" and secrets.compare_digest(given.strip(), self._token)


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None if it is longer than `limit` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body first, and then what the client sends."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        return next(messages, None) or await receive()

    return replay


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)
