"""The two HTTP requests of a WHIP client (RFC 9725 sections 4.2 and 4.2.1), blocking: run them in a thread."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urljoin, urlsplit

from guard.errors import ServerError

_TIMEOUT_SECONDS = 15.0
_MAX_ANSWER_BYTES = 1 << 20
_CREATED = 201


def post_offer(url: str, token: str, offer_sdp: str) -> tuple[str, str]:
    """Send the offer; return (URL of the session, SDP answer). Raises ServerError with the guard's reason."""
    status, location, body = _request("POST", url, token, offer_sdp)
    if status != _CREATED:
        raise ServerError(f"the guard refused the connection ({status}): {_reason(body)}")
    if location is None:
        raise ServerError("the answer names no session (Location header); is this a WHIP endpoint?")
    return urljoin(url, location), body


def end_session(session_url: str, token: str) -> None:
    """End a session; one that has gone, or a guard that has, is as good as ended."""
    try:
        _request("DELETE", session_url, token)
    except ServerError:
        return


def _request(method: str, url: str, token: str, body: str | None = None) -> tuple[int, str | None, str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ServerError(f"{url} is no http or https address")
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/sdp"
    try:
        connection.request(method, parts._replace(scheme="", netloc="", fragment="").geturl() or "/", body, headers)
        response = connection.getresponse()
        text = response.read(_MAX_ANSWER_BYTES).decode(errors="replace")
        return response.status, response.getheader("Location"), text
    except (OSError, http.client.HTTPException) as error:
        raise ServerError(f"cannot reach the guard at {parts.netloc}: {error}; is it running?") from error
    finally:
        connection.close()


def _reason(body: str) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
