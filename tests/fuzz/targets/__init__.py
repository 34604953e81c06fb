"""Every fuzz target by name: a function that takes bytes and raises where a promise is broken."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.targets import clock, datagrams, headers, sdp, signalling, stream

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        sdp.offer,
        sdp.refused_sections,
        headers.vp8_header,
        headers.h264_header,
        stream.encoded_stream,
        clock.rtp_clock,
        signalling.janus_message,
        signalling.whep_reply,
        signalling.whep_links,
        signalling.whep_events,
        datagrams.rtp_packet,
        datagrams.rtcp_packet,
        datagrams.stun_message,
    )
}
