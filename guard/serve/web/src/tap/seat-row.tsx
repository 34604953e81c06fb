/** Name, state and buttons of one framed person. */

import { useId } from "preact/hooks";

import { NAME_PATTERN, NAME_RULE } from "../model/seat-name";
import { Icon } from "../parts/icons";
import type { TappedSeat, TapState } from "./tapped-seat";

const STATE_TEXT: Record<TapState, string> = {
  framed: "Not watched",
  joining: "Connecting…",
  live: "The guard watches",
  interrupted: "Interrupted; waiting for the connection to come back",
  failed: "Not watched",
};

interface SeatRowProps {
  seat: TappedSeat;
  /** As written on the frame in the picture. */
  number: number;
  onWatch: () => void;
  onRemove: () => void;
}

export function SeatRow({ seat, number, onWatch, onRemove }: SeatRowProps) {
  const field = useId();
  const state = seat.state.value;
  const idle = state === "framed" || state === "failed";
  return (
    <form
      class="tap-seat"
      onSubmit={(event) => {
        event.preventDefault();
        if (idle) onWatch();
        else seat.close();
      }}
    >
      <label for={field}>Seat {number}</label>
      <input
        id={field}
        value={seat.name.value}
        required
        pattern={NAME_PATTERN}
        title={NAME_RULE}
        disabled={!idle}
        autocomplete="off"
        spellcheck={false}
        data-testid={`tap-name-${number}`}
        onInput={(event) => (seat.name.value = event.currentTarget.value)}
      />
      <button type="submit" class={idle ? "primary" : "danger"} data-testid={`tap-watch-${number}`}>
        {idle ? "Watch" : "Stop"}
      </button>
      <button type="button" class="quiet" onClick={onRemove}>
        Remove
      </button>
      <p class="join-state" data-state={state} data-testid={`tap-state-${number}`} role="status">
        <span class="dot" aria-hidden="true" /> {STATE_TEXT[state]}
      </p>
      {seat.problem.value !== "" && (
        <p class="problem" role="alert">
          <Icon name="warning" /> {seat.problem}
        </p>
      )}
    </form>
  );
}
