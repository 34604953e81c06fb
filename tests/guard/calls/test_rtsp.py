"""RTSP against a real server on loopback: video, outages, bad manners, and secrets that stay secret."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from guard.calls import rtsp_stream
from guard.calls.call_source import CallSource, SourceState, SourceStats
from guard.calls.rtsp import rtsp_address
from guard.calls.source_registry import make_source
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError, JoinError
from tests.rtsp_server import FPS, RtspServer, h264_frames, listening
from tests.whip_endpoint import Recorder, number_of, numbered_frames, until

CLIP = h264_frames(numbered_frames(90))


@dataclass
class Joined:
    """A source that was told to join, and what was heard of it."""

    source: CallSource
    listener: Recorder
    changes: list[SourceStats] = field(default_factory=list)

    @property
    def states(self) -> list[str]:
        return [stats.state.value for stats in self.changes]

    async def reach(self, frames: int) -> None:
        await until(lambda: self.listener.received("ann") >= frames)


@asynccontextmanager
async def joining(url: str, token: str | None = None, config: CallsConfig | None = None) -> AsyncIterator[Joined]:
    changes: list[SourceStats] = []
    listener = Recorder()
    secret = SecretStr(token) if token is not None else None
    settings = SourceConfig(url=url, name="ann", call="standup", token=secret)
    source = make_source(settings, config or CallsConfig(), listener, changes.append)
    await source.connect()
    try:
        yield Joined(source, listener, changes)
    finally:
        await source.close()


async def test_every_picture_comes_in_order_with_its_time() -> None:
    async with listening(RtspServer(CLIP)) as server, joining(f"rtsp://{server.host}/cam") as call:
        await call.reach(40)
    frames = call.listener.take("ann")
    numbers = [number for frame in frames if (number := number_of(frame)) is not None]
    assert len(numbers) == len(frames)
    assert all((after - before) % len(CLIP) == 1 for before, after in pairwise(numbers))
    assert np.diff([frame.pts_seconds for frame in frames]) == pytest.approx(1 / FPS, abs=1e-3)
    assert not any(frame.after_gap for frame in frames)
    assert call.listener.of("ann") == ["joined", "left"]
    assert call.states == ["joining", "joined", "closed"]


async def test_the_server_vanishes_and_comes_back() -> None:
    server = RtspServer(CLIP)
    async with listening(server):
        url = f"rtsp://{server.host}/cam"
        async with joining(url) as call:
            await call.reach(5)
            async with listening_again(server):
                await until(lambda: call.source.stats().joins == 2)
                queue_before = call.listener.received("ann")
                await until(lambda: call.listener.received("ann") > queue_before)
    assert call.listener.of("ann") == ["joined", "left", "joined", "left"]
    assert call.states[:3] == ["joining", "joined", "waiting"]


@asynccontextmanager
async def listening_again(server: RtspServer) -> AsyncIterator[None]:
    """The server's connections die; it goes on listening."""
    await server.cut()
    yield


async def test_a_server_that_is_not_there_is_waited_for() -> None:
    server = RtspServer(CLIP)
    async with listening(server):
        pass
    async with joining(f"rtsp://{server.host}/cam") as call:
        await until(lambda: call.source.stats().state is SourceState.WAITING)
        assert "refused" in (call.source.stats().why or "")
        async with listening(server):
            await call.reach(3)
            await call.source.close()


@pytest.mark.parametrize("ticks", [90_000 * 3600, -90_000 * 3600, -9_000])
async def test_a_jump_of_the_time_stamps_is_one_gap(ticks: int) -> None:
    async with listening(RtspServer(CLIP, jumps={60: ticks})) as server, joining(f"rtsp://{server.host}/cam") as call:
        await call.reach(50)
    frames = call.listener.take("ann")
    steps = np.diff([frame.pts_seconds for frame in frames])
    assert (steps > 0).all()
    assert steps.max() < 2
    assert [number_of(frame) for frame in frames if frame.after_gap] == [60]


async def test_silence_on_an_open_connection_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_stream, "READ_SECONDS", 0.5)
    server = RtspServer(CLIP, silent_from=60)
    async with listening(server), joining(f"rtsp://{server.host}/cam") as call:
        await call.reach(3)
        await until(lambda: call.source.stats().state is SourceState.WAITING)
    assert "no video for" in call.listener.reasons[0]


async def test_a_server_that_does_not_answer_is_given_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_stream, "OPEN_SECONDS", 0.3)
    server = RtspServer(CLIP, answers_describe=False)
    async with listening(server), joining(f"rtsp://{server.host}/cam") as call:
        await until(lambda: call.source.stats().state is SourceState.WAITING)
    assert "does not answer" in (call.changes[1].why or "")


async def test_a_large_picture_is_refused_undecoded() -> None:
    bomb = h264_frames(numbered_frames(2, 4096, 2304), keyframe_interval=1)
    async with listening(RtspServer(bomb)) as server, joining(f"rtsp://{server.host}/cam") as call:
        await until(lambda: call.source.stats().state is SourceState.WAITING)
    assert "larger than this guard accepts" in (call.changes[1].why or "")
    assert call.listener.events == []


async def test_another_codec_is_refused_for_good() -> None:
    async with listening(RtspServer(CLIP, codec="H265")) as server, joining(f"rtsp://{server.host}/cam") as call:
        with pytest.raises(JoinError, match=r"neither H\.264 nor VP8"):
            await call.source.wait_ended()


async def test_the_password_opens_the_door_and_is_told_to_nobody(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    async with listening(RtspServer(CLIP, credentials="me:s3cr@t/:?")) as server:
        async with joining(f"rtsp://{server.host}/cam", token="me:s3cr@t/:?") as call:
            await call.reach(3)
        with pytest.raises(JoinError, match="refuses the user or the password") as refusal:
            async with joining(f"rtsp://me:wr0ng@{server.host}/cam") as refused:
                await refused.source.wait_ended()
    assert not refusal.value.retryable
    output = capfd.readouterr()
    said = (
        f"{caplog.text}{output.out}{output.err}{refusal.value!r}{call.changes}{refused.changes}{refused.source.stats()}"
    )
    assert "s3cr" not in said
    assert "wr0ng" not in said
    assert refusal.value.__suppress_context__


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    server = RtspServer(CLIP)
    async with listening(server, self_signed(tmp_path)), joining(f"rtsps://{server.host}/cam") as call:
        await until(lambda: call.source.stats().state is SourceState.WAITING)
    assert call.listener.events == []
    assert server.requests == []


async def test_a_certificate_of_a_known_authority_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = RtspServer(CLIP)
    context = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    async with listening(server, context), joining(f"rtsps://localhost:{server.port}/cam") as call:
        await call.reach(3)
        await until(lambda: call.source.stats().state is SourceState.JOINED)
    numbers = [number for frame in call.listener.take("ann") if (number := number_of(frame)) is not None]
    assert len(numbers) >= 3
    assert all((after - before) % len(CLIP) == 1 for before, after in pairwise(numbers))
    assert call.listener.of("ann") == ["joined", "left"]
    assert call.states == ["joining", "joined", "closed"]
    assert server.requests[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert server.connections == 1


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS for localhost."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("rtsp:///cam", None),
        ("rtsp://h:0/cam", None),
        ("rtsp://h/cam#x", None),
        ("rtsp://h/a b", None),
        ("rtsp://h/cam\r\nPLAY", None),
        ("rtsp://h:secret/cam", None),
        ("rtsp://h/cam", "secret"),
        ("rtsp://me:secret@h/cam", "me:secret"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_without_repeating_secrets(url: str, token: str | None) -> None:
    with pytest.raises(ConfigError) as error:
        rtsp_address(url, token)
    assert "secret" not in str(error.value)


def test_an_address_shows_no_secret() -> None:
    address = rtsp_address("rtsp://h:8554/cam", "me:s/ecret")
    assert address.url == "rtsp://me:s%2Fecret@h:8554/cam"
    assert "ecret" not in repr(address)
