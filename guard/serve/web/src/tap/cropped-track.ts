/** A track that shows one region of another. */

import type { CropOrder } from "./crop-worker";
import type { Region } from "./region";

/** Firefox and Safari do not hand the frames of a track to a window. */
export function canCrop(): boolean {
  return "MediaStreamTrackProcessor" in window && "MediaStreamTrackGenerator" in window;
}

export class CroppedTrack {
  readonly track: MediaStreamTrack;
  private readonly source: MediaStreamTrack;
  private readonly worker: Worker;

  constructor(shared: MediaStreamTrack, region: Region) {
    // Its own copy, so that ending it leaves the others alone.
    this.source = shared.clone();
    const generator = new MediaStreamTrackGenerator({ kind: "video" });
    this.track = generator;
    this.worker = new Worker(new URL("./crop-worker.ts", import.meta.url), { type: "module" });
    const frames = new MediaStreamTrackProcessor({ track: this.source }).readable;
    const order: CropOrder = { frames, cropped: generator.writable, region };
    this.worker.postMessage(order, [order.frames, order.cropped] as unknown as Transferable[]);
  }

  close(): void {
    this.source.stop();
    this.track.stop();
    this.worker.terminate();
  }
}
