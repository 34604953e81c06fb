/** The shared picture, on which frames are drawn. */

import { useEffect, useRef, useState } from "preact/hooks";

import { regionBetween, type Point, type Region } from "./region";
import type { TappedSeat } from "./tapped-seat";

interface FramingPictureProps {
  track: MediaStreamTrack;
  seats: readonly TappedSeat[];
  onFrame: (region: Region) => void;
}

export function FramingPicture({ track, seats, onFrame }: FramingPictureProps) {
  const video = useRef<HTMLVideoElement>(null);
  const start = useRef<Point | null>(null);
  const [drawn, setDrawn] = useState<Region | null>(null);

  useEffect(() => {
    if (video.current) video.current.srcObject = new MediaStream([track]);
  }, [track]);
  const regionTo = (event: PointerEvent): Region | null => {
    if (start.current === null || video.current === null) return null;
    return regionBetween(start.current, pointOf(event), video.current.getBoundingClientRect());
  };
  return (
    <div
      class="framing"
      data-testid="tap-picture"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        start.current = pointOf(event);
      }}
      onPointerMove={(event) => setDrawn(regionTo(event))}
      onPointerUp={(event) => {
        const region = regionTo(event);
        start.current = null;
        setDrawn(null);
        if (region !== null) onFrame(region);
      }}
      onPointerCancel={() => {
        start.current = null;
        setDrawn(null);
      }}
    >
      <video ref={video} autoplay muted playsinline aria-label="What you share; draw a frame around each person" />
      {seats.map((seat, index) => (
        <Frame key={seat} region={seat.region} label={`${index + 1}`} />
      ))}
      {drawn !== null && <Frame region={drawn} label="" />}
    </div>
  );
}

function Frame({ region, label }: { region: Region; label: string }) {
  const frame = useRef<HTMLDivElement>(null);
  // Not a style attribute: the page's content security policy allows none.
  useEffect(() => {
    const style = frame.current?.style;
    style?.setProperty("left", `${100 * region.x}%`);
    style?.setProperty("top", `${100 * region.y}%`);
    style?.setProperty("width", `${100 * region.width}%`);
    style?.setProperty("height", `${100 * region.height}%`);
  }, [region]);
  return (
    <div class="frame" ref={frame}>
      {label}
    </div>
  );
}

function pointOf(event: PointerEvent): Point {
  return { x: event.clientX, y: event.clientY };
}
