"""The WHEP source against a real aiortc sender: it plays, leaves, and comes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from random import Random
from urllib.parse import urlsplit

import pytest
from aioice import ice

from guard.calls import receiving_peer
from guard.calls.backoff import Backoff, BackoffPolicy
from guard.calls.call_source import RejoiningSource, SourceState
from guard.calls.peer import peers_here
from guard.calls.whep import source as source_module
from guard.calls.whep.client import whep_endpoint
from guard.calls.whep.source import WhepVisit
from guard.config import CallsConfig
from guard.errors import JoinError
from tests.whep_server import TOKEN, AiortcSender, whep_server
from tests.whip_endpoint import Recorder, number_of, until

QUICK = BackoffPolicy(first_seconds=0.05, longest_seconds=0.2)


def make_visit(url: str, listener: Recorder, **settings: object) -> WhepVisit:
    config = CallsConfig.model_validate({"loopback": True, **settings})
    return WhepVisit(whep_endpoint(url, TOKEN), "standup", "ann", config.max_offer_bytes, peers_here(config, listener))


async def test_a_video_plays_until_the_guard_leaves() -> None:
    sender, listener = AiortcSender(), Recorder()
    async with whep_server(sender.answer) as server:
        source = RejoiningSource(lambda: make_visit(server.url, listener), Backoff(QUICK, Random(1)))
        await source.connect()
        await until(lambda: listener.received("ann") >= 15)
        assert source.stats().state is SourceState.JOINED
        assert [track.participant for track in source.tracks] == ["ann"]
        await source.close()
        assert server.posts == server.deletes == [f"Bearer {TOKEN}"]
    assert listener.of("ann") == ["joined", "left"]
    assert listener.reasons == ["the guard left"]
    numbers = [number_of(frame) for frame in listener.take("ann")]
    assert None not in numbers
    await sender.vanish()


async def test_the_offer_asks_for_h264_and_takes_vp8() -> None:
    offers: list[str] = []

    async def refuse(offer_sdp: str) -> str:
        offers.append(offer_sdp)
        return "no"

    async with whep_server(refuse) as server:
        with pytest.raises(JoinError):
            await make_visit(server.url, Recorder()).run(lambda: None)
    codecs = re.findall(r"a=rtpmap:\d+ (\w+)/90000", offers[0])
    assert [codec for codec in codecs if codec != "rtx"] == ["H264", "H264", "VP8"]
    assert codecs.count("rtx") == 3


async def test_the_server_vanishes_and_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 0.05)
    monkeypatch.setattr(ice, "CONSENT_FAILURES", 2)
    listener = Recorder()
    first, second = AiortcSender(), AiortcSender()
    async with whep_server(first.answer) as server:
        url = server.url
        source = RejoiningSource(lambda: make_visit(url, listener), Backoff(QUICK, Random(1)))
        await source.connect()
        await until(lambda: listener.received("ann") >= 5)
    await first.vanish()
    await until(lambda: listener.of("ann") == ["joined", "left"])
    await until(lambda: source.stats().attempts >= 3)
    async with whep_server(second.answer, port=urlsplit(url).port or 0):
        await until(lambda: listener.of("ann") == ["joined", "left", "joined"])
        await until(lambda: listener.received("ann") >= 5)
        await until(lambda: source.stats().joins == 2)
        await source.close()
    await second.vanish()
    assert listener.of("ann") == ["joined", "left", "joined", "left"]


async def test_a_video_that_falls_silent_is_fetched_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "SILENT_SECONDS", 0.5)
    sender, listener = AiortcSender(), Recorder()
    async with whep_server(sender.answer) as server:
        visit = asyncio.create_task(make_visit(server.url, listener).run(lambda: None))
        await until(lambda: listener.received("ann") >= 5)
        # ICE and DTLS stay up; only the pictures stop.
        await sender.connections[0].getSenders()[0].stop()
        async with asyncio.timeout(20):
            assert re.fullmatch("no video for .* s|the video ended", await visit)
        assert len(server.deletes) == 1
    assert listener.of("ann") == ["joined", "left"]
    await sender.vanish()


async def test_a_wrong_fingerprint_never_joins() -> None:
    sender, listener = AiortcSender(), Recorder()

    async def forge(offer_sdp: str) -> str:
        return re.sub(r"(a=fingerprint:\S+ )\S\S", r"\g<1>00", await sender.answer(offer_sdp))

    joins: list[None] = []
    async with whep_server(forge) as server:
        why = await make_visit(server.url, listener).run(lambda: joins.append(None))
    assert "connection" in why
    assert joins == []
    assert listener.events == []
    await sender.vanish()


async def test_a_server_that_never_connects_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving_peer, "SETUP_SECONDS", 0.2)
    sender, listener = AiortcSender(), Recorder()

    def hide_addresses(sdp: str) -> str:
        return re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", sdp)

    async def nowhere(offer_sdp: str) -> str:
        return hide_addresses(await sender.answer(hide_addresses(offer_sdp)))

    async with whep_server(nowhere) as server:
        assert "no connection within" in await make_visit(server.url, listener).run(lambda: None)
        assert len(server.deletes) == 1
    assert listener.events == []
    await sender.vanish()


@pytest.mark.parametrize(
    "mangle",
    [
        lambda answer: "v=0\r\n",
        lambda answer: "hello",
        lambda answer: answer + "a=x\r\n" * 3000,
        lambda answer: answer.replace("m=video", "m=audio"),
        lambda answer: answer + answer[answer.index("m=video") :],
        lambda answer: re.sub(r"a=mid:\S+", "a=mid:other", answer),
        lambda answer: answer.replace("a=sendonly", "a=inactive"),
        lambda answer: re.sub(r"a=fingerprint.*\r\n", "", answer),
        lambda answer: re.sub(r"a=ice-pwd.*\r\n", "", answer),
        lambda answer: answer.replace("VP8/90000", "VP9/90000").replace("H264/90000", "AV1/90000"),
        lambda answer: answer + "".join(f"a=candidate:1 1 udp 1 10.0.0.1 {n} typ host\r\n" for n in range(1, 90)),
    ],
    ids=[
        "empty",
        "no-sdp",
        "too-many-lines",
        "audio",
        "two-videos",
        "other-mid",
        "inactive",
        "no-fingerprint",
        "no-password",
        "other-codecs",
        "ninety-candidates",
    ],
)
async def test_a_hostile_answer_is_refused_and_its_session_ended(mangle: Callable[[str], str]) -> None:
    sender, listener = AiortcSender(), Recorder()

    async def hostile(offer_sdp: str) -> str:
        return mangle(await sender.answer(offer_sdp))

    async with whep_server(hostile) as server:
        with pytest.raises(JoinError) as failure:
            await make_visit(server.url, listener).run(lambda: None)
        assert len(server.deletes) == 1
    assert failure.value.retryable
    assert listener.events == []
    await sender.vanish()


async def test_leaving_during_the_set_up_leaves_nothing() -> None:
    sender, listener = AiortcSender(), Recorder()
    async with whep_server(sender.answer) as server:
        visit = asyncio.create_task(make_visit(server.url, listener).run(lambda: None))
        await until(lambda: bool(server.posts))
        visit.cancel()
        await asyncio.wait({visit})
        assert visit.cancelled()
    assert listener.of("ann") in ([], ["joined", "left"])
    await sender.vanish()
