/** Cuts one region out of every frame of a stream. In a worker: the tab with the call lies above this page, and a
 * browser slows down the timers and painting of pages that nobody sees. */

import { pixelsOf, type Region } from "./region";

export interface CropOrder {
  frames: ReadableStream<VideoFrame>;
  cropped: WritableStream<VideoFrame>;
  region: Region;
}

addEventListener("message", ({ data }: MessageEvent<CropOrder>) => {
  const { frames, cropped, region } = data;
  const cropping = new TransformStream<VideoFrame, VideoFrame>({
    transform(frame, controller) {
      const cut = crop(frame, region);
      frame.close();
      if (cut !== null) controller.enqueue(cut);
    },
  });
  // It ends when the sharing ends, or when the page closes the track; both know by themselves.
  void frames.pipeThrough(cropping).pipeTo(cropped).catch(() => undefined);
});

/** Without a copy. Null for a frame that has no picture any more. */
function crop(frame: VideoFrame, region: Region): VideoFrame | null {
  const shown = frame.visibleRect;
  if (shown === null) return null;
  const cut = pixelsOf(region, shown.width, shown.height);
  const visibleRect = { ...cut, x: shown.x + (cut.x ?? 0), y: shown.y + (cut.y ?? 0) };
  return new VideoFrame(frame, { visibleRect, displayWidth: cut.width ?? 0, displayHeight: cut.height ?? 0 });
}
