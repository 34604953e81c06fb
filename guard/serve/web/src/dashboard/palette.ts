/** The style sheet's colours for the canvas, which cannot read custom properties. */

import { DRIVER_STATES, type DriverState } from "../events/schema";

export interface Palette {
  muted: string;
  faint: string;
  line: string;
  state: Record<DriverState, string>;
}

/** Resolve the colours as they stand at `host`, with the theme applied. */
export function resolvePalette(host: HTMLElement): Palette {
  const probe = document.createElement("i");
  host.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const state = Object.fromEntries(DRIVER_STATES.map((name) => [name, colour(name)])) as Record<DriverState, string>;
  const palette = { muted: colour("muted"), faint: colour("faint"), line: colour("line"), state };
  probe.remove();
  return palette;
}
