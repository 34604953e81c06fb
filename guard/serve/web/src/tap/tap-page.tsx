/** Let the guard watch a call that goes on in another tab or window of this browser. */

import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { Icon } from "../parts/icons";
import { shareCall } from "./capture";
import { canCrop } from "./cropped-track";
import { FramingPicture } from "./framing-picture";
import { WHOLE, type Region } from "./region";
import { SeatRow } from "./seat-row";
import { TappedSeat } from "./tapped-seat";

interface TapPageProps {
  token: string;
  query: URLSearchParams;
}

export function TapPage({ token, query }: TapPageProps) {
  const call = query.get("call") ?? "main";
  const seats = useSignal<TappedSeat[]>([]);
  const { shared, problem, share } = useShared(seats);
  const framed = useRef(0);

  const frame = (region: Region) => {
    framed.current++;
    seats.value = [...seats.value, new TappedSeat(region, `person-${framed.current}`)];
  };
  const remove = (seat: TappedSeat) => {
    seat.close();
    seats.value = seats.value.filter((other) => other !== seat);
  };
  useEffect(() => {
    document.title = `Tap into ${call} · Guard`;
  }, []);

  return (
    <main class="centre">
      <section class="card tap">
        <h1>Watch a call of this browser as “{call}”</h1>
        <p>
          Share the tab or window of the call, draw a frame around each person, and give each the name of their seat.
          Only what lies in a frame goes to the guard.
        </p>
        {shared.value && <FramingPicture track={shared.value} seats={seats.value} onFrame={frame} />}
        <div class="tap-buttons">
          <button
            type="button"
            class={shared.value ? "" : "primary"}
            disabled={!canCrop()}
            data-testid="tap-share"
            onClick={share}
          >
            <Icon name="picture" /> {shared.value ? "Share another tab or window" : "Share the call's tab or window"}
          </button>
          {shared.value && (
            <button type="button" data-testid="tap-whole" onClick={() => frame(WHOLE)}>
              Frame the whole picture
            </button>
          )}
        </div>
        {problem.value !== "" && (
          <p class="problem" role="alert" data-testid="tap-problem">
            <Icon name="warning" /> {problem}
          </p>
        )}
        {seats.value.map((seat) => (
          <SeatRow
            key={seat}
            seat={seat}
            number={seats.value.indexOf(seat) + 1}
            onWatch={() => shared.value && void seat.watch(shared.value, call, token)}
            onRemove={() => remove(seat)}
          />
        ))}
        <p class="notice">
          Tell the people in the call that the guard watches how their faces move. A frame stays where it is: pin the
          layout of the call, and draw anew when people change places. The guard stores no video and takes no sound.
        </p>
      </section>
    </main>
  );
}

/** The shared picture; when it ends or changes, everybody who was framed in it is let go. */
function useShared(seats: Signal<TappedSeat[]>) {
  const shared = useSignal<MediaStreamTrack | null>(null);
  const unable = canCrop() ? "" : "This browser cannot cut a frame out of a shared tab: use Chrome, Edge or Chromium";
  const problem = useSignal(unable);

  const release = () => {
    seats.value.forEach((seat) => seat.close());
    seats.value = [];
    shared.value?.stop();
    shared.value = null;
  };
  const share = () => {
    shareCall().then(
      (track) => {
        release();
        problem.value = "";
        shared.value = track;
        track.addEventListener("ended", () => {
          release();
          problem.value = "The sharing has ended; share the call again to go on";
        });
      },
      (error: unknown) => {
        problem.value = error instanceof Error ? error.message : String(error);
      },
    );
  };
  useEffect(() => {
    window.addEventListener("pagehide", release);
    return () => {
      window.removeEventListener("pagehide", release);
      release();
    };
  }, []);
  return { shared, problem, share };
}
