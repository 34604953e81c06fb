"""LiveKit's SDK is as the guard takes it to be; skipped where it is not installed (extra `[livekit]`)."""

from __future__ import annotations

import inspect
from typing import Any, cast, get_args

import pytest

from guard.calls.livekit.sdk import InstalledSdk, Publication, Sdk
from guard.calls.livekit.visit import Admission, RoomVisit
from guard.config import CallsConfig
from tests.guard.calls.livekit import fake_sdk
from tests.guard.calls.livekit.fake_sdk import FakePicture, FakePublication, FakeRoom, FakeSdk
from tests.whip_endpoint import Recorder

rtc: Any = pytest.importorskip("livekit.rtc", reason="LiveKit's SDK is not installed (extra [livekit])")


async def test_every_event_that_is_listened_for_exists() -> None:
    sdk = FakeSdk()
    visit = RoomVisit(cast("Sdk", sdk), Admission("ws://h", str), "main", CallsConfig(), Recorder())
    visit._listen()
    assert set(sdk.given[0].handlers) <= set(get_args(rtc.room.EventTypes))


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        ("Room", ["on", "connect", "disconnect", "remote_participants"]),
        ("RemoteParticipant", ["identity", "track_publications"]),
        ("RemoteTrackPublication", ["sid", "kind", "source", "muted", "simulcasted", "height", "set_subscribed"]),
        ("RemoteTrackPublication", ["set_video_quality"]),
        ("VideoFrame", ["width", "height", "type", "data"]),
        ("VideoStream", ["__aiter__", "aclose"]),
    ],
)
def test_names(owner: str, names: list[str]) -> None:
    assert [name for name in names if not hasattr(getattr(rtc, owner), name)] == []


def test_signatures() -> None:
    def parameters(function: Any) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(rtc.Room.connect)[:4] == ["self", "url", "token", "options"]
    assert {"capacity", "format"} <= set(parameters(rtc.VideoStream.__init__))
    assert parameters(rtc.RemoteTrackPublication.set_subscribed) == ["self", "subscribed"]
    assert parameters(rtc.RemoteTrackPublication.set_video_quality) == ["self", "quality"]
    assert {"frame", "timestamp_us", "rotation"} <= set(parameters(rtc.VideoFrameEvent))
    assert hasattr(rtc.ConnectError("why"), "message")


def test_numbers() -> None:
    assert rtc.VideoBufferType.I420 == fake_sdk.I420
    assert (rtc.TrackKind.KIND_AUDIO, rtc.TrackKind.KIND_VIDEO) == (fake_sdk.KIND_AUDIO, fake_sdk.KIND_VIDEO)
    assert rtc.DisconnectReason.PARTICIPANT_REMOVED == fake_sdk.PARTICIPANT_REMOVED
    # Quarter turns: the picture is turned by as many as the number says.
    assert [rtc.VideoRotation.Value(f"VIDEO_ROTATION_{degrees}") for degrees in (0, 90, 180, 270)] == [0, 1, 2, 3]


@pytest.mark.parametrize("relay_only", [True, False])
async def test_the_seam_agrees_with_the_fake(relay_only: bool) -> None:
    sdk, fake = InstalledSdk(), FakeSdk()
    options = cast("Any", sdk.options(relay_only=relay_only))
    assert options.auto_subscribe is False
    assert (options.rtc_config.ice_transport_type == rtc.IceTransportType.TRANSPORT_RELAY) is relay_only
    for kind in (fake_sdk.KIND_AUDIO, fake_sdk.KIND_VIDEO):
        for source in (fake_sdk.SOURCE_CAMERA, fake_sdk.SOURCE_SCREENSHARE, 0):
            publication = FakePublication("TR", FakeRoom(), "ann", kind, source)
            assert sdk.is_camera(cast("Publication", publication)) == fake.is_camera(publication)
    assert [sdk.quality(layer) for layer in (0, 1, 2)] == [0, 1, 2]
    assert [sdk.was_removed(reason) for reason in (4, 9)] == [True, False]
    assert sdk.is_i420(FakePicture(2, 2, memoryview(b""), fake_sdk.I420))
    assert not sdk.is_i420(FakePicture(2, 2, memoryview(b""), fake_sdk.NV12))
