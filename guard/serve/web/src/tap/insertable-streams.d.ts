/** Frames of a track as a stream (W3C mediacapture-transform), as Chromium has it; TypeScript does not know it yet. */

declare class MediaStreamTrackProcessor {
  constructor(init: { track: MediaStreamTrack; maxBufferSize?: number });
  readonly readable: ReadableStream<VideoFrame>;
}

interface MediaStreamTrackGenerator extends MediaStreamTrack {
  readonly writable: WritableStream<VideoFrame>;
}

declare const MediaStreamTrackGenerator: new (init: { kind: "video" }) => MediaStreamTrackGenerator;
