"""The HTTP requests of a WHEP client (draft-ietf-wish-whep-02 sections 4.2 and 4.3, extensions of 4.9).

Candidates travel in full with offer and answer: there is no trickle ICE and no ICE restart, so there is no PATCH and
the ETag of a resource has no use.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from guard.calls.signalling_http import ReadPiece, Reply, opened, request
from guard.calls.whep.link_header import Link, read_links
from guard.errors import ConfigError, JoinError

SDP_TYPE = "application/sdp"
JSON_TYPE = "application/json"
EVENTS_TYPE = "text/event-stream"
LAYERS_EVENT = "layers"
EVENTS_RELATION = "urn:ietf:params:whep:ext:core:server-sent-events"
LAYER_RELATION = "urn:ietf:params:whep:ext:core:layer"
_MAX_EXTENSION_BYTES = 65_536
_DELETE_SECONDS = 3.0
_MAX_DELETE_BYTES = 65_536
_MAX_RETRY_AFTER_SECONDS = 300.0
_MAX_LOCATION_CHARACTERS = 2048
_OK = 200
_CREATED = 201
# What may pass by itself: not there yet, too slow, taken, too early, too many, and every trouble of the server's own.
_PASSING = frozenset({404, 408, 409, 425, 429})
_UNAUTHORISED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class WhepSession:
    """What a server answered an offer with. All addresses are of the endpoint's origin."""

    url: str
    answer_sdp: str
    layer_url: str | None = None
    """Where a layer can be asked for; None where the server offers no choice."""
    events_url: str | None = None
    """Where the server can be asked to tell the layers that there are."""


@dataclass(frozen=True, slots=True)
class WhepEndpoint:
    """Where a video is fetched; the token goes nowhere but to this origin, and into no text."""

    url: str
    """http or https."""
    token: str | None = field(default=None, repr=False)

    async def post_offer(self, offer_sdp: str, max_answer_bytes: int) -> WhepSession:
        """Send the offer; return what comes of it. Raises JoinError."""
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
            answer_sdp = reply.body.decode()
        except (JoinError, UnicodeDecodeError) as error:
            await self.end_session(session_url)
            raise JoinError(f"the server's answer is no {SDP_TYPE}") from error
        links = read_links(reply.every("link"))
        return WhepSession(
            session_url,
            answer_sdp,
            self._extension_url(links, LAYER_RELATION),
            self._extension_url([link for link in links if _tells_layers(link)], EVENTS_RELATION),
        )

    async def select_layer(self, layer_url: str, selection: Mapping[str, object]) -> None:
        """Ask for a layer of the session's video. Raises JoinError where the server does not say that it will do so."""
        reply = await self._post_json(layer_url, selection)
        if not 200 <= reply.status < 300:
            raise JoinError(f"the server refuses the layer ({reply.status})")

    @asynccontextmanager
    async def events(self, events_url: str) -> AsyncGenerator[ReadPiece]:
        """The server's events about layers, as they come. Raises JoinError where there are none to be had."""
        reply = await self._post_json(events_url, [LAYERS_EVENT])
        # Some servers have the stream at this very address, whatever the draft says.
        stream_url = events_url if reply.status != _CREATED else self._own_url(reply.headers.get("location", ""))
        async with opened(stream_url or events_url, {"Accept": EVENTS_TYPE, **self._authorisation()}) as (head, piece):
            if head.status != _OK or _media_type(head) != EVENTS_TYPE:
                raise JoinError(f"the server has no events for us ({head.status})")
            yield piece

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

    async def _post_json(self, url: str, value: object) -> Reply:
        return await request(
            "POST",
            url,
            {"Content-Type": JSON_TYPE, **self._authorisation()},
            json.dumps(value).encode(),
            max_bytes=_MAX_EXTENSION_BYTES,
        )

    def _session_url(self, reply: Reply) -> str:
        location = reply.headers.get("location", "")
        if not 0 < len(location) <= _MAX_LOCATION_CHARACTERS:
            raise JoinError("the answer names no session (Location header); is this a WHEP endpoint?")
        session_url = self._own_url(location)
        if session_url is None:
            raise JoinError("the server names a session at another origin; give the address of that server")
        return session_url

    def _extension_url(self, links: Iterable[Link], relation: str) -> str | None:
        urls = (self._own_url(link.target) for link in links if relation in link.relations)
        return next((url for url in urls if url is not None), None)

    def _own_url(self, location: str) -> str | None:
        """What the server refers to, if it is at its own origin.

        Elsewhere the token has no business, and neither has a request that a server could aim at others.
        """
        try:
            url = urljoin(self.url, location)
            return url if _origin(url) == _origin(self.url) else None
        except ValueError:
            return None


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
    if _media_type(reply) != SDP_TYPE:
        raise JoinError(f"the server's answer is no {SDP_TYPE}")


def _media_type(reply: Reply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


def _tells_layers(link: Link) -> bool:
    """Whether the events that a link leads to are not known to be others."""
    events = link.parameters.get("events", LAYERS_EVENT)
    return LAYERS_EVENT in events.replace(",", " ").split()


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
