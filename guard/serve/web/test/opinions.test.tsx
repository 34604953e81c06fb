import { signal } from "@preact/signals";
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Opinions } from "../src/dashboard/opinions";
import type { Session } from "../src/dashboard/session";
import type { WitnessesEvent } from "../src/events/schema";
import { eventSeconds } from "../src/model/call";
import { ago, leaning, movementText, OPINION_LIMITS, opinionName } from "../src/model/wording";
import { witnesses } from "./event-builders";

let host: HTMLElement;
beforeEach(() => {
  host = document.createElement("div");
  document.body.append(host);
});
afterEach(() => {
  render(null, host);
  host.remove();
});

function shown(event: WitnessesEvent, later = 0): HTMLElement {
  const api = { movementPicture: () => Promise.resolve(null) };
  const session = { status: signal(null), seconds: signal(eventSeconds(event) + later), api } as unknown as Session;
  render(<Opinions participant="alice" opinions={event} session={session} />, host);
  return host;
}

const text = (selector: string): string => host.querySelector(selector)?.textContent ?? "";

describe("the panel of second opinions", () => {
  test("is closed at first and says what all come to", () => {
    shown(witnesses(1));
    expect(host.querySelector("details")?.open).toBe(false);
    expect(text("summary")).toContain("Second opinions on alice");
    expect(text("summary")).toContain("together −0.3");
  });

  test("names each witness plainly, with its number and what the bar shows in words", () => {
    shown(witnesses(1), 2);
    expect(text('[data-testid="opinion-f5c"]')).toBe("Facial motion (F5C)+1.2for the enrolled driver");
    const dynamics = text('[data-testid="opinion-expression_dynamics"]');
    expect(dynamics).toBe("Expression dynamics−2.1against the enrolled driver · 2 s ago");
  });

  test("says why a witness is silent", () => {
    shown(witnesses(1));
    expect(text('[data-testid="opinion-facial_codes"]')).toBe("Facial movements–no face tracked for 4 s");
  });

  test("says that facial motion decides alone where no witness counts", () => {
    shown(witnesses(1, { fused_llr: null, fused_seconds: null }));
    expect(text("summary")).toContain("2 of 3 speak");
    expect(text(".together")).toContain("facial motion decides alone");
  });

  test("lists movements in words, and states its limits", () => {
    shown(witnesses(1));
    expect(text(".movements li")).toBe("left brow rises: more often than when enrolled25 %");
    expect(text(".opinion-limits")).toBe(OPINION_LIMITS);
    shown(witnesses(2, { movements: [] }));
    expect(host.querySelector(".movements")).toBeNull();
  });

  test("bars stay within their frame", () => {
    const loud = { name: "f5c", llr: -40, why: null, age_seconds: 0, weight: 1 };
    shown(witnesses(1, { witnesses: [loud] }));
    const bar = host.querySelector('[data-testid="opinion-f5c"] .against');
    expect([bar?.getAttribute("x"), bar?.getAttribute("width")]).toEqual(["0", "50"]);
  });
});

describe("words", () => {
  test("of witnesses that this page does not know", () => expect(opinionName("gait_of_day")).toBe("Gait of day"));
  test("of a number", () => {
    expect([leaning(0.3), leaning(-0.3), leaning(0.01)]).toEqual([
      "for the enrolled driver",
      "against the enrolled driver",
      "says neither",
    ]);
    expect([ago(0.4), ago(2.6)]).toEqual(["just now", "3 s ago"]);
  });
  test("of a movement", () => {
    const movement = { token: 1, words: "jaw drops", picture: "", direction: "less", share: 0.1, limits: "" } as const;
    expect(movementText(movement)).toBe("jaw drops: less often than when enrolled");
  });
});
