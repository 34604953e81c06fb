"""The start bit rate that the answer proposes reaches the browser, whichever codec it sends."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest
from playwright.async_api import expect

from demo.puppet_frames import make_player
from guard.bench.chromium import write_camera_clip
from guard.calls.start_bitrate import START_BITRATE_KBPS
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.server import running_guard
from tests.e2e.camera_clips import FPS
from tests.e2e.conftest import ChromiumWithCamera

pytestmark = pytest.mark.browser

LIVE_TIMEOUT_MS = 30_000
ONLY = """
const prefer = RTCRtpTransceiver.prototype.setCodecPreferences;
RTCRtpTransceiver.prototype.setCodecPreferences = function (codecs) {
  prefer.call(this, codecs.filter(({mimeType}) => mimeType === "video/CODEC"));
};
const connect = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function (answer) {
  window.connection = this;
  return connect.call(this, answer);
};
"""
SENT = """async () => {
  const stats = [...(await window.connection.getStats()).values()];
  const sent = stats.find(({type}) => type === "outbound-rtp");
  const codec = sent && stats.find(({id}) => id === sent.codecId);
  return codec ? [codec.mimeType, sent.framesSent] : null;
}"""


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_the_start_bitrate_reaches_the_sender(
    tmp_path: Path, chromium_with_camera: ChromiumWithCamera, codec: str
) -> None:
    config = GuardConfig(
        server=ServerConfig(port=0), calls=CallsConfig(loopback=True), store=StoreConfig(path=tmp_path / "t.sqlite3")
    )
    clip = write_camera_clip(islice(make_player(1, 9, take=0), 2 * FPS), tmp_path / "camera.mjpeg")
    async with running_guard(config) as guard, chromium_with_camera(clip) as browser:
        page = await browser.new_page()
        await page.add_init_script(ONLY.replace("CODEC", codec))
        await page.goto(f"{guard.server.url}/join?call=main&name=alice&autojoin=1#token={guard.join_token}")
        await expect(page.get_by_test_id("join-state")).to_have_attribute("data-state", "live", timeout=LIVE_TIMEOUT_MS)
        answer = await page.evaluate("window.connection.remoteDescription.sdp")
        await page.wait_for_function(f"({SENT})().then((sent) => sent && sent[1] > 0)", timeout=LIVE_TIMEOUT_MS)
        mime_type, _ = await page.evaluate(SENT)
    payload_types = re.findall(rf"a=rtpmap:(\d+) {codec}/90000", answer)
    assert payload_types
    for payload_type in payload_types:
        assert re.search(rf"a=fmtp:{payload_type} .*x-google-start-bitrate={START_BITRATE_KBPS}\b", answer)
    assert mime_type == f"video/{codec}"
