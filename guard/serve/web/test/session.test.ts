import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Session } from "../src/dashboard/session";
import { Api, type CallSnapshot } from "../src/server/api";

class IdleSocket {
  close(): void {
    // Nothing was opened.
  }
}

let calls: CallSnapshot[];
let session: Session;

function open(call: string | null): void {
  session = new Session(new Api("token"), call, () => undefined);
}

const people = (call: string, participants: number): CallSnapshot => ({ call, participants });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", IdleSocket);
  vi.spyOn(Api.prototype, "ticket").mockResolvedValue("ticket");
  vi.spyOn(Api.prototype, "calls").mockImplementation(() => Promise.resolve(calls));
  vi.spyOn(Api.prototype, "status").mockResolvedValue({} as never);
  calls = [];
  history.replaceState(null, "", "/");
});

afterEach(() => {
  session.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("an empty page goes where people are", async () => {
  open(null);
  await vi.advanceTimersByTimeAsync(5000);
  expect(session.call.value).toBe("main");
  calls = [people("demo", 3)];
  await vi.advanceTimersByTimeAsync(2500);
  expect(session.call.value).toBe("demo");
});

test("it stays where people are, though the socket has told nothing yet", async () => {
  calls = [people("main", 1), people("demo", 3)];
  open(null);
  await vi.advanceTimersByTimeAsync(9000);
  expect(session.call.value).toBe("main");
});

test("a page that was closed while it looked round goes nowhere", async () => {
  let answer: (found: CallSnapshot[]) => void = () => undefined;
  open(null);
  await vi.advanceTimersByTimeAsync(100);
  vi.mocked(Api.prototype.calls).mockImplementation(() => new Promise((resolve) => (answer = resolve)));
  await vi.advanceTimersByTimeAsync(2500);
  session.close();
  answer([people("demo", 3)]);
  await vi.advanceTimersByTimeAsync(100);
  expect(session.call.value).toBe("main");
});

test("it stays in the call that the user named, and tells where people are", async () => {
  open("standup");
  calls = [people("demo", 3)];
  await vi.advanceTimersByTimeAsync(5000);
  expect(session.call.value).toBe("standup");
  expect(session.other.value).toEqual(people("demo", 3));
});

test("a call that the user picks is kept, and stands in the address", async () => {
  open(null);
  session.watch("board");
  calls = [people("demo", 3)];
  await vi.advanceTimersByTimeAsync(5000);
  expect(session.call.value).toBe("board");
  expect(new URL(window.location.href).searchParams.get("call")).toBe("board");
});
