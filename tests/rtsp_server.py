"""A small RTSP server on loopback (RFC 2326), H.264 over RTP interleaved in the TCP connection (RFC 6184).

Behaves, and misbehaves where a test says so: it is written from the RFCs and shares no code with the guard.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av import VideoFrame

FPS = 30
_RTP_CLOCK = 90_000
_PAYLOAD_BYTES = 1200
_SSRC = 0x5EED
_FU_A = 28


def h264_frames(next_picture: Callable[[], VideoFrame | None], keyframe_interval: int = 15) -> list[bytes]:
    """Encode pictures to one Annex B access unit each, every keyframe with its parameter sets."""
    pictures = []
    while (picture := next_picture()) is not None:
        pictures.append(picture)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = pictures[0].width, pictures[0].height, "yuv420p"
    encoder.framerate, encoder.gop_size = Fraction(FPS), keyframe_interval
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    units = []
    for number, picture in enumerate(pictures):
        picture.pts = number
        units += [bytes(packet) for packet in encoder.encode(picture)]
    return units + [bytes(packet) for packet in encoder.encode(None)]


def nal_units(annex_b: bytes) -> list[bytes]:
    """NAL units between start codes."""
    return [unit for unit in re.split(b"\x00\x00\x00?\x01", annex_b) if unit]


def rtp_packets(units: Iterable[bytes], first_sequence: int, timestamp: int) -> list[bytes]:
    """One access unit as RTP packets: small NAL units as they are, large ones in fragments (FU-A)."""
    payloads: list[bytes] = []
    for unit in units:
        if len(unit) <= _PAYLOAD_BYTES:
            payloads.append(unit)
            continue
        indicator, kind, body = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F, unit[1:]
        pieces = [body[at : at + _PAYLOAD_BYTES] for at in range(0, len(body), _PAYLOAD_BYTES)]
        for number, piece in enumerate(pieces):
            edges = 0x80 * (number == 0) | 0x40 * (number == len(pieces) - 1)
            payloads.append(bytes([indicator, edges | kind]) + piece)
    return [
        struct.pack(
            "!BBHII",
            0x80,
            0x80 * (number == len(payloads) - 1) | 96,
            (first_sequence + number) & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            _SSRC,
        )
        + payload
        for number, payload in enumerate(payloads)
    ]


@dataclass
class RtspServer:
    """What it serves and how. Change it while it runs; connections heed it from the next frame on."""

    frames: list[bytes]
    """Access units, sent over and over."""
    credentials: str | None = None
    """USER:PASSWORD that it asks for (Basic)."""
    codec: str = "H264"
    jumps: dict[int, int] = field(default_factory=dict)
    """Frame number -> ticks of 1/90000 s that its time stamp is ahead of where it should be, for good."""
    left_out: set[int] = field(default_factory=set)
    """Frames that are not sent."""
    silent_from: int | None = None
    """No frame from this one on, while the connection stands."""
    ends_after: int | None = None
    """The connection is closed after so many frames."""
    answers_describe: bool = True
    speed: float = 1.0
    port: int = 0
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        playing: asyncio.Task[None] | None = None
        try:
            while request := await self._request(reader):
                method, headers = request
                self.requests.append(method)
                if method == "DESCRIBE" and not self.answers_describe:
                    continue
                self._answer(writer, method, headers)
                if method == "PLAY":
                    playing = asyncio.create_task(self._play(writer))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            if playing is not None:
                playing.cancel()
            writer.close()
            self._tasks.discard(task)

    async def cut(self) -> None:
        """End every connection, as a server does that dies."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _request(self, reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
        while True:
            first = await reader.read(1)
            if first != b"$":
                break
            _, length = struct.unpack("!BH", await reader.readexactly(3))
            await reader.readexactly(length)  # the client's RTCP
        if not first:
            return None
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.strip().split("\r\n")
        headers = dict(field.split(": ", 1) for field in fields)
        return line.split()[0], {name.lower(): value for name, value in headers.items()}

    def _answer(self, writer: asyncio.StreamWriter, method: str, headers: dict[str, str]) -> None:
        expected = None
        if self.credentials is not None:
            expected = "Basic " + base64.b64encode(self.credentials.encode()).decode()
        if expected is not None and method != "OPTIONS" and headers.get("authorization") != expected:
            self._reply(writer, headers, "401 Unauthorized", {"WWW-Authenticate": 'Basic realm="test"'})
            return
        match method:
            case "OPTIONS":
                self._reply(writer, headers, "200 OK", {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"})
            case "DESCRIBE":
                self._reply(writer, headers, "200 OK", {"Content-Type": "application/sdp"}, self._sdp())
            case "SETUP":
                transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "Session": "1;timeout=60"}
                self._reply(writer, headers, "200 OK", transport)
            case _:
                self._reply(writer, headers, "200 OK", {"Session": "1"})

    def _reply(
        self, writer: asyncio.StreamWriter, headers: dict[str, str], status: str, fields: dict[str, str], body: str = ""
    ) -> None:
        fields = {"CSeq": headers.get("cseq", "0"), **fields, "Content-Length": str(len(body))}
        lines = [f"RTSP/1.0 {status}", *(f"{name}: {value}" for name, value in fields.items()), "", body]
        writer.write("\r\n".join(lines).encode())

    def _sdp(self) -> str:
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=test", "c=IN IP4 0.0.0.0", "t=0 0", "m=video 0 RTP/AVP 96"]
        return "\r\n".join([*lines, f"a=rtpmap:96 {self.codec}/90000", "a=control:track1", ""])

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        start, sequence, ahead, number = loop.time(), 7, 0, 0
        with suppress(ConnectionError):
            while self.ends_after is None or number < self.ends_after:
                ahead += self.jumps.get(number, 0)
                silent = self.silent_from is not None and number >= self.silent_from
                if not silent and number not in self.left_out:
                    unit = self.frames[number % len(self.frames)]
                    timestamp = number * _RTP_CLOCK // FPS + ahead
                    for packet in rtp_packets(nal_units(unit), sequence, timestamp):
                        writer.write(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
                        sequence += 1
                    await writer.drain()
                number += 1
                await asyncio.sleep(max(start + number / FPS / self.speed - loop.time(), 0))
        writer.close()


@asynccontextmanager
async def listening(server: RtspServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[RtspServer]:
    """Serve on a free loopback port, or on the one it had before."""
    listener = await asyncio.start_server(server.talk, "127.0.0.1", server.port, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.cut()
        await listener.wait_closed()
