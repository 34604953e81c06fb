"""Offers that were tampered with, wrong fingerprints, and tokens of others, at the running WHIP endpoint."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from guard.calls.signalling_http import request
from guard.errors import JoinError
from tests.hostile.campaign import Target
from tests.hostile.hostile_peer import hostile_peer

_OFFERS = Path(__file__).parent.parent / "fuzz" / "corpora" / "offer"
_NUMBERS = (b"0", b"-1", b"65536", b"4294967296", b"9" * 30, b"1e9", b"\xd9\xa1")


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to five changes: lines lost, doubled, moved or swapped, numbers and bytes replaced, the end cut off."""
    for _ in range(rng.randrange(1, 6)):
        lines = data.split(b"\r\n")
        at = rng.randrange(len(lines))
        kind = rng.randrange(7)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines[at:at] = [lines[at]] * rng.choice((1, 2, 50))
        elif kind == 2:
            lines.insert(rng.randrange(len(lines)), lines.pop(at))
        elif kind == 3:
            lines[at] = re.sub(rb"\d+", lambda _: rng.choice(_NUMBERS), lines[at], count=1)
        elif kind == 4:
            cut = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut] + rng.randbytes(rng.randrange(6)) + lines[at][cut + rng.randrange(3) :]
        elif kind == 5:
            lines[at] += b"A" * rng.choice((10, 3000))
        else:
            lines = lines[: max(1, at)]
        data = b"\r\n".join(lines)
        if not data:
            return b"v=0"
    return data


async def tampered_offers(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """Every answer is a status; what is accepted is ended at once."""
    offers = [offer.read_bytes() for offer in sorted(_OFFERS.iterdir())]
    outcomes: Counter[str] = Counter()
    headers = {"Authorization": f"Bearer {target.guard.join_token}", "Content-Type": "application/sdp"}
    for number in range(count):
        url = target.guard.whip_url("hostile", f"offer-{number}")
        try:
            reply = await request("POST", url, headers, damaged(rng.choice(offers), rng), max_bytes=1 << 20)
        except JoinError:
            outcomes["no answer"] += 1
            continue
        outcomes[f"status {reply.status}"] += 1
        if reply.status == 201:
            ended = await target.api("DELETE", reply.headers["location"], headers)
            outcomes[f"accepted, then ended with {ended}"] += 1
    return outcomes


async def wrong_fingerprints(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """The handshake succeeds with somebody else's certificate: nobody may join by it."""
    outcomes: Counter[str] = Counter()

    def alter(sdp: str) -> str:
        wrong = ":".join(f"{byte:02X}" for byte in rng.randbytes(32))
        return re.sub(r"a=fingerprint:\S+ \S+", f"a=fingerprint:sha-256 {wrong}", sdp)

    for number in range(count):
        async with hostile_peer(target, f"wrong-{number}", alter=alter) as peer:
            for _ in range(20):
                await peer.send_payload(b"\x10\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01", marker=True)
                await asyncio.sleep(0.01)
            joined = f"hostile/wrong-{number}" in (await target.guard.read()).participants
            outcomes["joined" if joined else "never joined"] += 1
    return outcomes


async def foreign_tokens(target: Target, count: int, rng: random.Random) -> Counter[str]:
    """No token, wrong ones, parts of the right one, the join token where the other is needed, tickets used again."""
    guard, outcomes = target.guard, Counter[str]()
    wrong = (
        "",
        "Bearer",
        f"Bearer {guard.token[:-1]}",
        f"Bearer {guard.token}x",
        f"Basic {guard.token}",
        "Bearer \xff",
    )
    for number in range(count):
        kind = number % 4
        if kind == 0:
            status = await target.api("GET", "/api/calls", {"Authorization": rng.choice(wrong)})
            outcomes[f"wrong token at the API: {status}"] += 1
        elif kind == 1:
            status = await target.api("GET", "/api/calls", {"Authorization": f"Bearer {guard.join_token}"})
            outcomes[f"join token at the API: {status}"] += 1
        elif kind == 2:
            headers = {"Authorization": rng.choice(wrong), "Content-Type": "application/sdp"}
            status = await target.api("POST", "/whip/hostile/token", headers, b"v=0")
            outcomes[f"wrong token at WHIP: {status}"] += 1
        else:
            for which, seen in zip(("first", "second"), await _use_ticket_twice(target), strict=True):
                outcomes[f"{which} use of a ticket: {seen}"] += 1
    return outcomes


async def _use_ticket_twice(target: Target) -> tuple[str, str]:
    url, headers = f"{target.guard.url}/api/tickets", {"Authorization": f"Bearer {target.guard.token}"}
    ticket = json.loads((await request("POST", url, headers, max_bytes=4096)).body)["ticket"]
    host = urlsplit(target.guard.url).netloc
    upgrade = {
        "Origin": target.guard.url,
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    return await _handshake(host, ticket, upgrade), await _handshake(host, ticket, upgrade)


async def _handshake(host: str, ticket: str, headers: dict[str, str]) -> str:
    """The status of a WebSocket handshake."""
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    try:
        lines = [f"GET /ws/honest?ticket={ticket} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(10):
            return (await reader.readline()).decode().split()[1]
    finally:
        writer.transport.abort()
