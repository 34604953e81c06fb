"""A hint to the sender of how fast to begin, in the SDP that the guard sends, be it offer or answer."""

from __future__ import annotations

import re

# Chromium starts at 300 kbit/s and needs seconds to climb; this is enough for 640x360 from the first frame on.
START_BITRATE_KBPS = 800
_VIDEO_FORMAT = re.compile(r"a=rtpmap:(\d+) (?:VP8|H264)/90000\r?$", re.MULTILINE)


def with_start_bitrate(sdp: str, kbps: int = START_BITRATE_KBPS) -> str:
    """The description with libwebrtc's `x-google-start-bitrate` among the format parameters of every video codec."""
    hint = f"x-google-start-bitrate={kbps}"
    for payload_type in dict.fromkeys(_VIDEO_FORMAT.findall(sdp)):
        parameters = re.compile(rf"(a=fmtp:{payload_type} [^\r\n]*)")
        if parameters.search(sdp):
            sdp = parameters.sub(rf"\1;{hint}", sdp)
        else:
            sdp = re.sub(rf"(a=rtpmap:{payload_type} [^\r\n]*\r?\n)", rf"\1a=fmtp:{payload_type} {hint}\r\n", sdp)
    return sdp
