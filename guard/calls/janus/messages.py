"""What Janus sends over its WebSocket, read with bounds.

Names follow the Janus documentation (API "Interacting with the Server", VideoRoom plugin, multistream). The
server is trusted as far as signalling is, yet what it relays (display names, metadata) comes from participants: one
bad entry in a list costs that entry, and nothing is echoed unbounded.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from guard.one_line import one_line

# Janus sets no bound on display names: what is cut off here must not cost the whole room.
MAX_MESSAGE_BYTES = 4 << 20
_MAX_DISPLAY_CHARACTERS = 256
_MAX_ERROR_CHARACTERS = 200
_MAX_LIST_ENTRIES = 512
_MAX_SDP_CHARACTERS = 1 << 18
_MAX_NUMBER = 2**64 - 1


def _cut(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:limit] if isinstance(value, str) else value)


def _printable(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: one_line(value, limit) if isinstance(value, str) else value)


class _Value(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


Number = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
FeedId = Annotated[Number | Annotated[str, StringConstraints(min_length=1, max_length=256)], Field()]
"""A publisher: a number, or text where the server is set to `string_ids`."""
Mid = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Short = Annotated[str, StringConstraints(max_length=64)]
Display = Annotated[str, _cut(_MAX_DISPLAY_CHARACTERS)]
Reason = Annotated[str, _printable(_MAX_ERROR_CHARACTERS)]


class PublishedStream(_Value):
    """One stream of a publisher."""

    type: Short
    mid: Mid
    codec: Short | None = None
    simulcast: bool = False
    disabled: bool = False


class Publisher(_Value):
    """Somebody who publishes, as announced to those in the room."""

    id: FeedId
    display: Display = ""
    streams: tuple[PublishedStream, ...] = Field((), max_length=32, strict=False)


class Participant(_Value):
    """Somebody in the room, as `listparticipants` tells it."""

    id: FeedId
    display: Display = ""
    publisher: bool = False


class SubscribedStream(_Value):
    """One media section of our subscription, and whose picture it holds."""

    type: Short
    mid: Mid
    active: bool = False
    feed_id: FeedId | None = None
    feed_mid: Mid | None = None


def _only_valid(entry_type: type[BaseModel]) -> BeforeValidator:
    def keep(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        kept = []
        for entry in value[:_MAX_LIST_ENTRIES]:
            try:
                kept.append(entry_type.model_validate(entry))
            except ValidationError:
                continue
        return tuple(kept)

    return BeforeValidator(keep)


class RoomEvent(_Value):
    """What the VideoRoom plugin says; `videoroom` tells which of the fields it filled."""

    videoroom: Short
    id: FeedId | None = None
    private_id: Number | None = None
    publishers: Annotated[tuple[Publisher, ...], _only_valid(Publisher)] = ()
    participants: Annotated[tuple[Participant, ...], _only_valid(Participant)] = ()
    streams: Annotated[tuple[SubscribedStream, ...], _only_valid(SubscribedStream)] = ()
    unpublished: FeedId | None = None
    leaving: FeedId | None = None
    kicked: FeedId | None = None
    reason: Reason | None = None
    error_code: int | None = None
    error: Reason | None = None


class _PluginData(_Value):
    data: RoomEvent


class _Identified(_Value):
    id: Number


class _Error(_Value):
    code: int
    reason: Reason = ""


class SessionDescription(_Value):
    """A JSEP object."""

    type: Short
    sdp: Annotated[str, StringConstraints(max_length=_MAX_SDP_CHARACTERS)]


class Message(_Value):
    """One message; `janus` says of which kind."""

    janus: Short
    transaction: Short | None = None
    sender: Number | None = None
    data: _Identified | None = None
    error: _Error | None = None
    plugindata: _PluginData | None = None
    jsep: SessionDescription | None = None
    reason: Reason | None = None

    @property
    def room_event(self) -> RoomEvent | None:
        """What the plugin says in it."""
        return self.plugindata.data if self.plugindata is not None else None


def parse_message(text: str | bytes) -> Message:
    """Read one message. Raises ValueError where it is none, without repeating it."""
    try:
        return Message.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"no message of the Janus API ({where or 'body'}: {first['type']})") from None
