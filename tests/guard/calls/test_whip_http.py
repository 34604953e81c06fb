"""The HTTP side of WHIP (RFC 9725), without media: statuses, headers, limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from fastapi import FastAPI

from guard.calls import whip
from guard.calls.whip import whip_router
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from tests.whip_endpoint import TOKEN, Recorder

SDP = {"content-type": "application/sdp"}
SEAT = "/whip/standup/ann"
ORIGIN = "https://calls.example.org"


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction="sendonly")
    yield (await connection.createOffer()).sdp
    await connection.close()


@pytest.fixture
async def sink() -> AsyncIterator[WhipSink]:
    config = CallsConfig(loopback=True, max_participants=2, max_offer_bytes=8192)
    sink = WhipSink(config, Recorder())
    yield sink
    await sink.close()


@pytest.fixture
async def client(sink: WhipSink) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(whip_router(sink, lambda token: token == TOKEN, origins=(ORIGIN,)))
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://guard", headers=headers) as client:
        yield client


async def test_an_offer_is_answered_and_the_session_ends_on_delete(client: httpx.AsyncClient, offer: str) -> None:
    created = await client.post(SEAT, content=offer, headers=SDP)
    assert created.status_code == 201
    assert created.headers["content-type"] == "application/sdp"
    location = created.headers["location"]
    assert location.startswith(SEAT + "/")
    assert "a=recvonly" in created.text
    assert "a=candidate:" in created.text
    assert " 127.0.0.1 " in created.text
    assert "x-google-start-bitrate=800" in created.text

    assert (await client.delete(location)).status_code == 200
    assert (await client.delete(location)).status_code == 404
    assert (await client.post(SEAT, content=offer, headers=SDP)).status_code == 201


async def test_audio_is_refused_in_the_answer(client: httpx.AsyncClient) -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio", direction="sendonly")
    connection.addTransceiver("video", direction="sendonly")
    offer = (await connection.createOffer()).sdp
    await connection.close()

    answer = (await client.post(SEAT, content=offer, headers=SDP)).text
    _, audio, video = answer.split("m=")
    assert audio.startswith("audio")
    assert "a=inactive" in audio
    assert "a=recvonly" in video


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"authorization": "Bearer wrong"}, SEAT, 401),  # another token
        ({"authorization": "Basic bGV0LW1lLWlu"}, SEAT, 401),  # another scheme
        ({"authorization": ""}, SEAT, 401),  # none
        ({"authorization": f"Bearer {TOKEN} x"}, SEAT, 401),  # something behind it
        ({"content-type": "text/plain"}, SEAT, 415),
        ({"content-type": "application/json"}, SEAT, 415),
        ({"content-type": ""}, SEAT, 415),
        ({}, "/whip/standup/" + "a" * 65, 400),  # name too long
        ({}, "/whip/" + "c" * 65 + "/ann", 400),
        ({}, "/whip/standup/ann%20lee", 400),  # blank
        ({}, "/whip/standup/%C3%A4nn", 400),  # letter outside ASCII
        ({}, "/whip/standup/.ann", 400),  # dot in front
        ({}, "/whip/standup/ann%0A", 400),  # line end behind a good name
        ({}, "/whip/standup", 404),  # no seat named
        ({}, "/whip/standup/a/b/c", 404),
    ],
)
async def test_requests_are_refused(
    client: httpx.AsyncClient, offer: str, headers: dict[str, str], path: str, status: int
) -> None:
    response = await client.post(path, content=offer, headers={**SDP, **headers})
    assert response.status_code == status
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "x" * 64, "_", "7"])
async def test_good_names_are_taken(client: httpx.AsyncClient, offer: str, name: str) -> None:
    assert (await client.post(f"/whip/{name}/{name}", content=offer, headers=SDP)).status_code == 201


async def test_content_type_may_carry_parameters(client: httpx.AsyncClient, offer: str) -> None:
    headers = {"content-type": "Application/SDP; charset=utf-8"}
    assert (await client.post(SEAT, content=offer, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),  # empty
        (b"\xff\xfe\x00", 400),  # not UTF-8
        (b"garbage", 400),  # not SDP
        (b"v=0\r\ns=-\r\n", 422),  # SDP without media
        (b"x" * 8193, 413),  # one byte above the limit
    ],
)
async def test_bad_bodies_are_refused_with_a_reason(
    client: httpx.AsyncClient, sink: WhipSink, body: bytes, status: int
) -> None:
    response = await client.post(SEAT, content=body, headers=SDP)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert len(sink) == 0


async def test_an_endless_body_is_cut_at_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        while sent < 1000:
            sent += 1
            yield b"v=0\r\n" * 200

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in chunks():
                yield chunk

    response = await client.post(SEAT, content=Body(), headers=SDP)
    assert response.status_code == 413
    assert sent < 20


async def test_a_body_that_stops_coming_is_given_up(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whip, "_BODY_SECONDS", 0.02)

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"v=0\r\n"
            await asyncio.Event().wait()

    assert (await client.post(SEAT, content=Body(), headers=SDP)).status_code == 408


async def test_offers_are_not_logged_even_at_debug(
    client: httpx.AsyncClient, offer: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert (await client.post(SEAT, content=offer, headers=SDP)).status_code == 201
    assert caplog.text
    assert "ice-pwd" not in caplog.text


async def test_vp9_only_is_not_acceptable(client: httpx.AsyncClient, sink: WhipSink, offer: str) -> None:
    response = await client.post(SEAT, content=offer.replace("VP8", "VP9").replace("H264", "AV1"), headers=SDP)
    assert response.status_code == 406
    assert "VP8 and H264" in response.json()["detail"]
    assert len(sink) == 0


async def test_a_seat_is_taken_once(client: httpx.AsyncClient, offer: str) -> None:
    assert (await client.post(SEAT, content=offer, headers=SDP)).status_code == 201
    assert (await client.post(SEAT, content=offer, headers=SDP)).status_code == 409
    # The same name in another call is another seat.
    assert (await client.post("/whip/retro/ann", content=offer, headers=SDP)).status_code == 201


async def test_admission_ends_at_the_configured_number(client: httpx.AsyncClient, offer: str) -> None:
    for name in ("ann", "ben"):
        assert (await client.post(f"/whip/standup/{name}", content=offer, headers=SDP)).status_code == 201
    refused = await client.post("/whip/standup/cem", content=offer, headers=SDP)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0


async def test_a_closed_sink_admits_nobody(client: httpx.AsyncClient, sink: WhipSink, offer: str) -> None:
    assert (await client.post(SEAT, content=offer, headers=SDP)).status_code == 201
    await sink.close()
    assert len(sink) == 0
    assert (await client.post(SEAT, content=offer, headers=SDP)).status_code == 503


async def test_an_offer_that_aiortc_chokes_on_is_a_refusal(
    client: httpx.AsyncClient, sink: WhipSink, offer: str
) -> None:
    """An ICE-lite offer whose bundle names a section that is not there passes the checks but breaks aiortc."""
    broken = offer.replace("a=group:BUNDLE 0", "a=group:BUNDLE nowhere 0")
    response = await client.post(SEAT, content=broken, headers=SDP)
    assert response.status_code == 400
    assert len(sink) == 0


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "GET", "PUT", "OPTIONS"])
async def test_only_the_owner_of_the_token_may_end_a_session(
    client: httpx.AsyncClient, offer: str, sink: WhipSink, method: str
) -> None:
    location = (await client.post(SEAT, content=offer, headers=SDP)).headers["location"]
    response = await client.request(method, location, headers={"authorization": "Bearer wrong"})
    assert response.status_code == {"DELETE": 401, "OPTIONS": 204}.get(method, 405)
    assert len(sink) == 1


async def test_trickle_is_not_offered(client: httpx.AsyncClient, offer: str) -> None:
    location = (await client.post(SEAT, content=offer, headers=SDP)).headers["location"]
    response = await client.patch(location, content="a=candidate", headers={"content-type": "application/trickle-ice"})
    assert response.status_code == 405
    assert "DELETE" in response.headers["allow"]


@pytest.mark.parametrize("path", [SEAT, SEAT + "/session"])
async def test_a_configured_origin_may_publish_from_a_browser(client: httpx.AsyncClient, path: str) -> None:
    allowed = await client.options(path, headers={"origin": ORIGIN, "access-control-request-method": "POST"})
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    foreign = await client.options(path, headers={"origin": "https://evil.example", "authorization": ""})
    assert "access-control-allow-origin" not in foreign.headers
    assert foreign.headers["accept-post"] == "application/sdp"


async def test_a_browser_may_read_location_and_errors(client: httpx.AsyncClient, offer: str) -> None:
    created = await client.post(SEAT, content=offer, headers={**SDP, "origin": ORIGIN})
    assert created.headers["access-control-expose-headers"] == "location"
    taken = await client.post(SEAT, content=offer, headers={**SDP, "origin": ORIGIN})
    assert taken.status_code == 409
    assert taken.headers["access-control-allow-origin"] == ORIGIN
