"""What every request passes before it reaches a route: token, size limit, and security headers on the way back."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guard.serve.access import BearerToken
from guard.serve.problems import problem_response

MAX_JSON_BYTES = 16_384
_GUARDED = ("/api/", "/openapi.json")

_SECURITY_HEADERS = {
    # Scripts and connections only from here; thumbnails and the camera preview come as blobs.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders:
    """Adds the headers that keep a browser from doing anything but showing the dashboard."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                if scope["path"].startswith(_GUARDED):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class ApiGate:
    """Refuses API requests without the token or with a large body, before anything of the body is read.

    A middleware and no dependency, because FastAPI reads and parses the body before it asks dependencies.
    """

    def __init__(self, app: ASGIApp, token: BearerToken) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_GUARDED):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self.token.in_header(headers.get("authorization")):
            refusal = problem_response(401, "missing or wrong bearer token", {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        length = headers.get("content-length", "0" if "transfer-encoding" not in headers else "")
        if not length.isdecimal():
            await problem_response(411, "the body needs a Content-Length")(scope, receive, send)
        elif int(length) > MAX_JSON_BYTES:
            await problem_response(413, f"the body is larger than {MAX_JSON_BYTES} bytes")(scope, receive, send)
        else:
            await self.app(scope, receive, send)
