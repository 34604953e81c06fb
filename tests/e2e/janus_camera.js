// A participant of a VideoRoom, as a web page would be one: publishes the camera through Janus' own protocol.
// `options` are {url, room, display, codec, audio, data, simulcast}; every call is a new participant.
async function publish(options) {
  const socket = new WebSocket(options.url, "janus-protocol");
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = () => reject("no Janus"); });
  const waiting = new Map();
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.janus !== "ack" && waiting.has(message.transaction)) {
      waiting.get(message.transaction)(message);
      waiting.delete(message.transaction);
    }
  };
  const address = {};
  const ask = (request) => new Promise((resolve) => {
    const transaction = crypto.randomUUID();
    waiting.set(transaction, resolve);
    socket.send(JSON.stringify({ ...request, ...address, transaction }));
  });

  const stream = await navigator.mediaDevices.getUserMedia(
    { audio: options.audio ?? false, video: { width: 640, height: 360, frameRate: 30 } });
  const connection = new RTCPeerConnection();
  if (options.audio) connection.addTransceiver(stream.getAudioTracks()[0], { direction: "sendonly" });
  const layers = [{ rid: "l", scaleResolutionDownBy: 2, maxBitrate: 150000 }, { rid: "h", maxBitrate: 900000 }];
  const encodings = options.simulcast ? layers : [{ maxBitrate: 900000 }];
  const video = connection.addTransceiver(
    stream.getVideoTracks()[0], { direction: "sendonly", sendEncodings: encodings });
  const wanted = ["video/rtx", `video/${options.codec ?? "VP8"}`.toLowerCase()];
  video.setCodecPreferences(
    RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => wanted.includes(mimeType.toLowerCase())));
  if (options.data) connection.createDataChannel("chat");
  await connection.setLocalDescription();
  await new Promise((resolve) => {
    connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && resolve();
    setTimeout(resolve, 2000);
  });

  address.session_id = (await ask({ janus: "create" })).data.id;
  address.handle_id = (await ask({ janus: "attach", plugin: "janus.plugin.videoroom" })).data.id;
  const body = { request: "joinandconfigure", ptype: "publisher", room: options.room, display: options.display };
  const joined = await ask({ janus: "message", body, jsep: connection.localDescription.toJSON() });
  await connection.setRemoteDescription(joined.jsep);
  window.leave = () => {
    socket.close();
    connection.close();
    stream.getTracks().forEach((track) => track.stop());
  };
}
