// Opens the camera, publishes it to the guard and to the plain sink, and notes when which numbered frame was there.
// The number: top stripe, a twelfth of the height, 20 cells: 1, 0, 16 bits, parity, 1 (guard/bench/barcode.py).
async () => {
  const CELLS = 20, BITS = 16, STRIPE_SHARE = 12, THRESHOLD = 120;
  window.benchCamera = [];

  function readNumber(row, width) {
    const bits = [];
    for (let cell = 0; cell < CELLS; cell++) {
      const from = Math.round((width * (cell + 0.3)) / CELLS), to = Math.round((width * (cell + 0.7)) / CELLS);
      let sum = 0;
      for (let x = from; x < to; x++) sum += row[x];
      bits.push(sum / (to - from) > THRESHOLD ? 1 : 0);
    }
    const number = bits.slice(2, 2 + BITS);
    const parity = number.reduce((sum, bit) => sum + bit, 0) % 2;
    if (bits[0] !== 1 || bits[1] !== 0 || bits[CELLS - 1] !== 1 || bits[2 + BITS] !== parity) return null;
    return number.reduce((value, bit) => 2 * value + bit, 0);
  }

  async function watch(track) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { done, value: frame } = await reader.read();
      if (done) return;
      const at = performance.timeOrigin + performance.now();
      const { width, height } = frame.visibleRect;
      const y = 2 * Math.floor(height / STRIPE_SHARE / 4);
      const rect = { x: frame.visibleRect.x, y: frame.visibleRect.y + y, width, height: 2 };
      const buffer = new Uint8Array(frame.allocationSize({ rect }));
      const [luma] = await frame.copyTo(buffer, { rect });
      frame.close();
      const number = readNumber(buffer.subarray(luma.offset, luma.offset + width), width);
      if (number !== null) window.benchCamera.push([number, at]);
    }
  }

  async function publish(track, target) {
    const peer = new RTCPeerConnection();
    const transceiver = peer.addTransceiver(track, { direction: "sendonly" });
    const wanted = ["video/VP8", "video/rtx"];
    const codecs = RTCRtpReceiver.getCapabilities("video").codecs.filter((codec) => wanted.includes(codec.mimeType));
    transceiver.setCodecPreferences(codecs);
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 20));
    const sdp = await window.benchExchange(target, peer.localDescription.sdp);
    await peer.setRemoteDescription({ type: "answer", sdp });
    for (let waited = 0; !(await isSending(peer)); waited += 50) {
      if (waited > 30000) throw new Error(`no frame goes to the ${target}; the connection is ${peer.connectionState}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return peer;
  }

  async function isSending(peer) {
    const reports = [...(await peer.getStats()).values()];
    return reports.some((report) => report.type === "outbound-rtp" && report.framesSent > 0);
  }

  const video = { width: { exact: 640 }, height: { exact: 360 }, frameRate: { ideal: 30 } };
  const [track] = (await navigator.mediaDevices.getUserMedia({ audio: false, video })).getVideoTracks();
  void watch(track.clone());
  window.benchPeers = [await publish(track, "guard"), await publish(track, "plain")];
}
