"""What reaches the media port: junk from strangers, junk with valid keys, damaged pictures and pictures too large."""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter
from fractions import Fraction
from functools import cache

import av
import numpy as np
from aioice import stun
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from tests.hostile.campaign import BYSTANDER, Target
from tests.hostile.hostile_peer import HostilePeer, hostile_peer

_BOMB = b"\x10\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(40)
_PAUSE_EVERY = 64
_STRAYS = ("empty", "over 1500 bytes", "looks like DTLS", "looks like SRTP", "STUN", "damaged STUN", "random")


async def stray_datagrams(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """From another port, without keys, at the port on which the bystander's video comes in."""
    outcomes: Counter[str] = Counter()
    answers: list[bytes] = []

    class Stranger(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _addr: object) -> None:
            answers.append(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Stranger, remote_addr=target.media[BYSTANDER]
    )
    try:
        for number in range(count):
            kind, datagram = _stray(rng)
            transport.sendto(datagram)
            outcomes[f"sent: {kind}"] += 1
            if number % _PAUSE_EVERY == 0:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
    finally:
        transport.close()
    outcomes["answered (STUN errors)"] = len(answers)
    return outcomes


def _stray(rng: random.Random) -> tuple[str, bytes]:
    kind = rng.choice(
        ("empty", "over 1500 bytes", "looks like DTLS", "looks like SRTP", "STUN", "damaged STUN", "random")
    )
    if kind == "empty":
        return kind, b""
    if kind == "over 1500 bytes":
        return kind, bytes([rng.randrange(128, 192)]) + rng.randbytes(rng.randrange(1500, 4000))
    if kind == "looks like DTLS":
        return kind, bytes([rng.randrange(20, 64), 0xFE, 0xFD]) + rng.randbytes(rng.randrange(200))
    if kind == "looks like SRTP":
        return kind, bytes([rng.randrange(128, 192)]) + rng.randbytes(rng.randrange(1200))
    if kind == "random":
        return kind, rng.randbytes(rng.randrange(1, 1400))
    message = stun.Message(message_method=stun.Method.BINDING, message_class=rng.choice(list(stun.Class)))
    message.attributes["USERNAME"] = "guess:guess"
    message.attributes["ICE-CONTROLLING"] = rng.getrandbits(64)
    message.add_message_integrity(rng.randbytes(8))
    data = bytearray(bytes(message))
    if kind == "damaged STUN":
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(20, len(data))] = rng.randrange(256)
        data = data[: rng.randrange(20, len(data) + 1)]
        data[2:4] = (len(data) - 20).to_bytes(2, "big")
    return kind, bytes(data)


async def junk_with_keys(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """RTP and RTCP that decrypt: random bodies, every RTCP type, foreign SSRCs and payload types, wild numbers."""
    outcomes: Counter[str] = Counter()
    sent, peers = 0, 0
    while sent < count:
        peers += 1
        async with hostile_peer(target, f"junk-{peers}") as peer:
            while sent < count and not peer.ended.is_set():
                kind = rng.choice(("RTCP", "RTP of any kind", "flood of SSRCs", "wild numbers", "wrong extension"))
                outcomes[f"{kind}: {await _send_junk(peer, kind, rng)}"] += 1
                sent += 1
                if sent % _PAUSE_EVERY == 0:
                    await asyncio.sleep(0.02)
            outcomes.update(_dropped((await target.guard.read("settled")).counters))
    outcomes["connections"] = peers
    return outcomes


async def _send_junk(peer: HostilePeer, kind: str, rng: random.Random) -> str:
    body = rng.randbytes(rng.randrange(0, 1200))
    if kind == "RTCP":
        if rng.random() < 0.5:
            body = body[: len(body) // 4 * 4]
            header = bytes([0x80 | rng.randrange(32), rng.randrange(200, 208)]) + struct.pack("!H", len(body) // 4)
        else:
            header = bytes([0x80 | rng.randrange(64), rng.randrange(200, 208)])
        return await peer.send(header + body)
    if kind == "RTP of any kind":
        return await peer.send(bytes([0x80 | rng.randrange(64), rng.randrange(256)]) + bytes(10) + body)
    if kind == "flood of SSRCs":
        return await peer.send_payload(b"\x10" + body, marker=True, ssrc=rng.getrandbits(32))
    if kind == "wrong extension":
        extension = bytes([rng.randrange(1, 15) << 4 | rng.randrange(4)]) + rng.randbytes(7)
        header = struct.pack("!BBHLL", 0x90, peer.payload_type, rng.randrange(65_536), 0, rng.choice((7, 8, 9)))
        return await peer.send(header + struct.pack("!HH", 0xBEDE, 2) + extension + b"\x10" + body)
    # Never more than half of the numbers ahead, or libsrtp itself would refuse what follows.
    peer.sequence_number += rng.choice((0, 1, 5, 1000, 30_000))
    peer.timestamp = rng.getrandbits(32)
    return await peer.send_payload(b"\x10" + body, marker=rng.random() < 0.5)


def _dropped(counters: dict[str, int]) -> dict[str, int]:
    """What the guard's receivers counted, the bystander's included; what workers counted is not told."""
    if not counters:
        return {}
    names = ("over_rate", "gated", "late", "given_up", "restarts", "keyframe_requests")
    return {f"guard counted {name}": counters.get(name, 0) for name in names}


async def damaged_pictures(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """Real VP8 and H.264 with flipped bits, cut packets and shuffled payload descriptors, in proper RTP."""
    outcomes: Counter[str] = Counter()
    for codec in ("VP8", "H264"):
        frames = _payloads(codec)
        sent, peers = 0, 0
        while sent < count // 2:
            peers += 1
            async with hostile_peer(target, f"{codec.lower()}-{peers}", codec) as peer:
                while sent < count // 2 and not peer.ended.is_set():
                    await _send_damaged_frame(peer, frames[sent % len(frames)], rng, outcomes, codec)
                    sent += 1
                    await asyncio.sleep(0.01)
                seen = (await target.guard.read("settled")).participants.get(f"hostile/{codec.lower()}-{peers}", 0)
                outcomes[f"{codec}: frames decoded all the same"] += seen
        outcomes[f"{codec}: connections"] = peers
    return outcomes


async def _send_damaged_frame(
    peer: HostilePeer, payloads: list[bytes], rng: random.Random, outcomes: Counter[str], codec: str
) -> None:
    kind = rng.choice(("whole", "flipped bits", "cut", "shuffled", "descriptor"))
    payloads = [bytes(payload) for payload in payloads]
    if kind == "shuffled":
        rng.shuffle(payloads)
    for index, payload in enumerate(payloads):
        data = bytearray(payload)
        if kind == "flipped bits":
            for _ in range(rng.randrange(1, 9)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            data = data[: rng.randrange(len(data) + 1)]
        elif kind == "descriptor":
            data[0] = rng.randrange(256)
        await peer.send_payload(bytes(data), marker=index == len(payloads) - 1)
    peer.timestamp += 3000
    outcomes[f"{codec}: {kind} frame sent"] += 1


@cache
def _payloads(codec: str) -> list[list[bytes]]:
    """Frames as lists of RTP payloads, every fifth a keyframe."""
    encoder = Vp8Encoder() if codec == "VP8" else H264Encoder()
    noise = np.random.default_rng(5)
    frames = []
    for number in range(20):
        planes = noise.integers(0, 256, (360, 320), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = number * 3000, Fraction(1, 90_000)
        frames.append(encoder.encode(frame, force_keyframe=number % 5 == 0)[0])
    return frames


async def resolution_bombs(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """VP8 keyframes of 16383x16383, and sizes that grow from frame to frame up to it."""
    outcomes: Counter[str] = Counter()
    for number in range(count):
        grows = number % 2 == 1
        async with hostile_peer(target, f"bomb-{number}") as peer:
            sides = range(64, 16_384, 640) if grows else (16_383,)
            for side in sides:
                header = struct.pack("<HH", side, side)
                await peer.send_payload(_BOMB[:7] + header + rng.randbytes(60), marker=True)
                peer.timestamp += 3000
                await asyncio.sleep(0.01)
            try:
                async with asyncio.timeout(5):
                    await peer.ended.wait()
                ended = "ended by the guard"
            except TimeoutError:
                ended = "still connected"
            outcomes[f"{'growing sizes' if grows else '16383x16383'}: {ended}"] += 1
    return outcomes
