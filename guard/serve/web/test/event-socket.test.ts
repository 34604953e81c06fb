import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { GuardEvent } from "../src/events/schema";
import { ApiError } from "../src/server/api";
import { EventSocket, type Connection } from "../src/server/event-socket";
import { hello, score } from "./event-builders";

class ScriptedSocket {
  static opened: ScriptedSocket[] = [];
  readonly url: URL;
  readonly sent: string[] = [];
  closed = false;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(url: URL) {
    this.url = url;
    ScriptedSocket.opened.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
  }

  receive(event: GuardEvent): void {
    this.onmessage?.({ data: JSON.stringify(event) });
  }
}

let connections: Connection["kind"][];
let events: GuardEvent[];
let seq: number;

function open(ticket: () => Promise<string>): EventSocket {
  const socket = new EventSocket({ ticket }, "main", {
    onEvent: (event) => {
      events.push(event);
      seq = event.seq;
    },
    onConnection: ({ kind }) => connections.push(kind),
    since: () => seq,
  });
  void socket.open();
  return socket;
}

const newest = () => ScriptedSocket.opened.at(-1);

beforeEach(() => {
  connections = [];
  events = [];
  seq = 0;
  ScriptedSocket.opened = [];
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", ScriptedSocket);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("connects with a ticket and resumes from the last seq with a fresh one", async () => {
  let tickets = 0;
  open(() => Promise.resolve(`t${++tickets}`));
  await vi.advanceTimersByTimeAsync(0);
  expect(newest()?.url.search).toBe("?ticket=t1&since=0");
  newest()?.receive(hello(40));
  newest()?.receive(score(41));
  newest()?.onclose?.({ code: 1006, reason: "" });
  expect(connections).toEqual(["connecting", "live", "waiting"]);
  await vi.advanceTimersByTimeAsync(500);
  expect(newest()?.url.search).toBe("?ticket=t2&since=41");
  expect(events.map((event) => event.seq)).toEqual([40, 41]);
});

test("a refused token is not tried again", async () => {
  open(() => Promise.reject(new ApiError("wrong token", 401)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(connections).toEqual(["connecting", "refused"]);
  expect(ScriptedSocket.opened.length).toBe(0);
});

test("a guard that is away is tried until it is back", async () => {
  const answers = [0, 0, 0].map(() => () => Promise.reject(new ApiError("away", 0)));
  open(() => answers.shift()?.() ?? Promise.resolve("t"));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(ScriptedSocket.opened.length).toBe(1);
});

test("a silent connection is asked, then given up", async () => {
  open(() => Promise.resolve("t"));
  await vi.advanceTimersByTimeAsync(0);
  const first = newest();
  first?.receive(hello(1));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(first?.sent).toEqual(['{"type":"ping"}']);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(first?.closed).toBe(true);
  expect(connections.at(-1)).toBe("waiting");
});

test("an answer to the ping keeps the connection", async () => {
  open(() => Promise.resolve("t"));
  await vi.advanceTimersByTimeAsync(0);
  newest()?.receive(hello(1));
  await vi.advanceTimersByTimeAsync(10_000);
  newest()?.onmessage?.({ data: '{"type":"pong"}' });
  await vi.advanceTimersByTimeAsync(9_000);
  expect(newest()?.closed).toBe(false);
  expect(connections.at(-1)).toBe("live");
});

test("after closing nothing comes back", async () => {
  const socket = open(() => Promise.resolve("t"));
  await vi.advanceTimersByTimeAsync(0);
  newest()?.receive(hello(1));
  socket.close();
  newest()?.onclose?.({ code: 1006, reason: "" });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ScriptedSocket.opened.length).toBe(1);
});
