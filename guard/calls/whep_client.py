"""The two HTTP requests of a WHEP client (draft-ietf-wish-whep-02 sections 4.2 and 4.3).

Candidates travel in full with offer and answer: there is no trickle ICE and no ICE restart, so there is no PATCH and
the ETag of a resource has no use.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from guard.calls.signalling_http import Reply, request
from guard.errors import ConfigError, JoinError

SDP_TYPE = "application/sdp"
_DELETE_SECONDS = 3.0
_MAX_DELETE_BYTES = 65_536
_MAX_RETRY_AFTER_SECONDS = 300.0
_MAX_LOCATION_CHARACTERS = 2048
_CREATED = 201
# What may pass by itself: not there yet, too slow, taken, too early, too many, and every trouble of the server's own.
_PASSING = frozenset({404, 408, 409, 425, 429})
_UNAUTHORISED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class WhepEndpoint:
    """Where a video is fetched; the token goes nowhere but to this origin, and into no text."""

    url: str
    """http or https."""
    token: str | None = field(default=None, repr=False)

    async def post_offer(self, offer_sdp: str, max_answer_bytes: int) -> tuple[str, str]:
        """Send the offer; return (URL of the session, SDP answer). Raises JoinError."""
        reply = await request(
            "POST",
            self.url,
            {"Content-Type": SDP_TYPE, "Accept": SDP_TYPE, **self._authorisation()},
            offer_sdp.encode(),
            max_bytes=max_answer_bytes,
        )
        if reply.status != _CREATED:
            raise _refusal(reply)
        session_url = self._session_url(reply)
        try:
            _check_type(reply)
            return session_url, reply.body.decode()
        except (JoinError, UnicodeDecodeError) as error:
            await self.end_session(session_url)
            raise JoinError(f"the server's answer is no {SDP_TYPE}") from error

    async def end_session(self, session_url: str) -> None:
        """End a session; one that has gone, or a server that has, is as good as ended."""
        with suppress(JoinError):
            await request(
                "DELETE",
                session_url,
                self._authorisation(),
                max_bytes=_MAX_DELETE_BYTES,
                seconds=_DELETE_SECONDS,
            )

    def _authorisation(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def _session_url(self, reply: Reply) -> str:
        location = reply.headers.get("location", "")
        if not 0 < len(location) <= _MAX_LOCATION_CHARACTERS:
            raise JoinError("the answer names no session (Location header); is this a WHEP endpoint?")
        try:
            session_url = urljoin(self.url, location)
            same = _origin(session_url) == _origin(self.url)
        except ValueError:
            same = False
        # Elsewhere the token has no business, and neither has a request that a server could aim at others.
        if not same:
            raise JoinError("the server names a session at another origin; give the address of that server")
        return session_url


def whep_endpoint(url: str, token: str | None) -> WhepEndpoint:
    """The endpoint of a whep:// (https) or whep+http:// address. Raises ConfigError where it cannot be one."""
    scheme, _, rest = url.partition(":")
    web = {"whep": "https", "whep+http": "http"}[scheme.lower()]
    endpoint = WhepEndpoint(f"{web}:{rest}", token)
    try:
        parts = urlsplit(endpoint.url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("a WHEP address is whep://HOST[:PORT]/PATH; a token goes into its own option")
    return endpoint


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _check_type(reply: Reply) -> None:
    if reply.headers.get("content-type", "").partition(";")[0].strip().lower() != SDP_TYPE:
        raise JoinError(f"the server's answer is no {SDP_TYPE}")


def _refusal(reply: Reply) -> JoinError:
    """What a status other than 201 means. The server's own words are left out: they may be anything."""
    status = reply.status
    if status in _UNAUTHORISED:
        return JoinError(f"the server refuses the token ({status}); give a valid one", retryable=False)
    if status in _PASSING or status >= 500:
        return JoinError(f"the server has no video for us now ({status})", retry_after_seconds=_retry_after(reply))
    if 300 <= status < 400:
        return JoinError(f"the server redirects ({status}); give the final address", retryable=False)
    return JoinError(f"the server refuses the offer ({status}); is this a WHEP endpoint?", retryable=False)


def _retry_after(reply: Reply) -> float:
    text = reply.headers.get("retry-after", "")
    # It may also be a date; the back-off's own wait is good enough then.
    return min(float(text), _MAX_RETRY_AFTER_SECONDS) if text.isascii() and text.isdigit() else 0.0
