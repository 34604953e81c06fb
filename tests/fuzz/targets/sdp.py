"""SDP: what an offer may do before and after it is accepted."""

from __future__ import annotations

from contextlib import suppress

from aiortc.sdp import SessionDescription

from guard.calls.offer import MAX_MEDIA_SECTIONS, check_answer, check_offer, declared_ssrcs, sending_videos
from guard.calls.refused_sections import refuse_undecodable
from guard.errors import SignallingError

MAX_BYTES = 65_536
_STATUSES = {400, 406, 413, 422}


def offer(data: bytes) -> None:
    """An offer is refused with a status and one line, or has a video that can be named."""
    text = data.decode("utf-8", "replace")
    try:
        check_offer(text, MAX_BYTES)
    except SignallingError as error:
        assert error.status in _STATUSES
        assert "\n" not in str(error)
        assert len(str(error)) < 200
    else:
        assert 1 <= len(sending_videos(text)) <= MAX_MEDIA_SECTIONS
        with suppress(ValueError):
            assert all(declared_ssrcs(text).values())
    with suppress(SignallingError):
        check_answer(text, MAX_BYTES)


def refused_sections(data: bytes) -> None:
    """What aiortc gets to see has as many sections as the original, and all that send are videos of known codecs."""
    text = data.decode("utf-8", "replace")
    try:
        filtered = refuse_undecodable(text, MAX_MEDIA_SECTIONS)
    except ValueError:
        return
    sections = sum(line.startswith("m=") for line in text.splitlines())
    assert sum(line.startswith("m=") for line in filtered.sdp.splitlines()) == sections
    with suppress(ValueError):
        answer = filtered.answer(filtered.sdp)
        assert sum(line.startswith("m=") for line in answer.splitlines()) == sections
    with suppress(SignallingError):
        check_offer(filtered.sdp, MAX_BYTES, must_send=False)
        assert all(media.kind == "video" for media in SessionDescription.parse(filtered.sdp).media)
