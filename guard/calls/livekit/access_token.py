"""LiveKit access tokens: what one lets its holder do, and one that only watches (JWT, RFC 7519, HS256)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field

LIFE_SECONDS = 600
"""To join within; a connection that stands gets new ones from the server."""
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The right to make tokens for a server's rooms."""

    key: str
    secret: str = field(repr=False)


def watching_token(api_key: ApiKey, room: str, identity: str, display: str | None, now: float) -> str:
    """A token to join `room` and receive, and for nothing else. now: Unix time in seconds.

    display: the name that the others see; None stays out of their sight.
    """
    grants = {
        "room": room,
        "roomJoin": True,
        "canSubscribe": True,
        "canPublish": False,
        "canPublishData": False,
        "canUpdateOwnMetadata": False,
        "hidden": display is None,
    }
    claims = {
        "iss": api_key.key,
        "sub": identity,
        "name": display or "",
        "nbf": int(now) - _LEEWAY_SECONDS,
        "exp": int(now) + LIFE_SECONDS,
        "video": grants,
    }
    signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}"
    signature = hmac.digest(api_key.secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64url(signature)}"


def _segment(value: dict[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
