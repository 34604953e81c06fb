/** Publishes one track over WHIP (RFC 9725): offer out, answer in, DELETE at the end. */

import { reason } from "./api";

/** Candidates that take longer are not worth the wait: the server does no trickle. */
const GATHERING_MS = 2000;
const CODECS = ["video/VP8", "video/H264"];
/** Retransmission and error correction go with whichever codec is taken. */
const COMPANIONS: ReadonlySet<string> = new Set(["video/rtx", "video/red", "video/ulpfec"]);

export class Publisher {
  private readonly peer: RTCPeerConnection;
  private readonly token: string;
  private session: URL | null = null;
  private closed = false;

  constructor(token: string, onState: (state: RTCPeerConnectionState) => void) {
    this.token = token;
    this.peer = new RTCPeerConnection();
    this.peer.onconnectionstatechange = () => onState(this.peer.connectionState);
  }

  /** Offer the track as `name` in `call`, `scaleDown` times smaller. Throws an Error with one line for people. */
  async publish(track: MediaStreamTrack, call: string, name: string, scaleDown = 1): Promise<void> {
    const sendEncodings = [{ scaleResolutionDownBy: scaleDown }];
    const transceiver = this.peer.addTransceiver(track, { direction: "sendonly", sendEncodings });
    const offered = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
    transceiver.setCodecPreferences(preferredCodecs(offered));
    await this.peer.setLocalDescription();
    await gathered(this.peer);
    const address = new URL(`/whip/${encodeURIComponent(call)}/${encodeURIComponent(name)}`, window.location.href);
    const response = await this.post(address, this.peer.localDescription?.sdp ?? "");
    if (response.status !== 201) throw new Error(await refusal(response, name));
    const location = response.headers.get("Location");
    if (location !== null) this.session = new URL(location, address);
    if (this.closed) return this.close();
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  /** Leave the call; also while the page goes away. */
  close(): void {
    this.closed = true;
    this.peer.onconnectionstatechange = null;
    this.peer.close();
    if (this.session === null) return;
    const headers = { Authorization: `Bearer ${this.token}` };
    // The page may be gone before an answer comes; the server also notices a peer that vanished.
    void fetch(this.session, { method: "DELETE", headers, keepalive: true }).catch(() => undefined);
    this.session = null;
  }

  private async post(address: URL, offer: string): Promise<Response> {
    try {
      return await fetch(address, {
        method: "POST",
        headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/sdp" },
        body: offer,
      });
    } catch {
      throw new Error("The guard cannot be reached; is `guard serve` still running?");
    }
  }
}

/** VP8 first, then H264, each with what goes along; codecs the guard does not take are left out. */
export function preferredCodecs<T extends { mimeType: string }>(codecs: readonly T[]): T[] {
  const wanted = CODECS.flatMap((type) => codecs.filter((codec) => codec.mimeType === type));
  return [...wanted, ...codecs.filter((codec) => COMPANIONS.has(codec.mimeType))];
}

function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = window.setTimeout(resolve, GATHERING_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState !== "complete") return;
      window.clearTimeout(timer);
      resolve();
    });
  });
}

async function refusal(response: Response, name: string): Promise<string> {
  switch (response.status) {
    case 401:
    case 403:
      return "The token was not accepted: open the link that `guard serve` printed";
    case 409:
      return `Somebody is in this call as “${name}” already: choose another name`;
    case 503:
      return "The guard is full: try again when somebody has left";
    default:
      return reason(response);
  }
}
