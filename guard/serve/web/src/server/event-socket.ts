/** The event stream of one call: connects with a ticket, resumes from the last seq, comes back after every loss. */

import { parseEvent, type GuardEvent } from "../events/schema";
import { ApiError, type Api } from "./api";
import { backoffMs } from "./backoff";

export type Connection =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "waiting"; why: string }
  | { kind: "refused"; why: string };

/** After so long without a message the server is asked for a pong; without one the connection is dead. */
const SILENCE_MS = 10_000;
const PONG_MS = 5_000;
const PING = JSON.stringify({ type: "ping" });

export interface EventSocketHooks {
  onEvent(event: GuardEvent): void;
  onConnection(connection: Connection): void;
  /** Newest seq seen, or null before the first connection. */
  since(): number | null;
}

export class EventSocket {
  private readonly api: Pick<Api, "ticket">;
  private readonly call: string;
  private readonly hooks: EventSocketHooks;
  private socket: WebSocket | null = null;
  private timer: number | undefined;
  private silence: number | undefined;
  private attempt = 0;
  private closed = false;

  constructor(api: Pick<Api, "ticket">, call: string, hooks: EventSocketHooks) {
    this.api = api;
    this.call = call;
    this.hooks = hooks;
  }

  async open(): Promise<void> {
    this.hooks.onConnection({ kind: "connecting" });
    try {
      const ticket = await this.api.ticket();
      if (!this.closed) this.connect(ticket);
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) this.refuse(error.message);
      else this.retry(error instanceof Error ? error.message : "no ticket");
    }
  }

  close(): void {
    this.closed = true;
    window.clearTimeout(this.timer);
    window.clearTimeout(this.silence);
    this.socket?.close(1000);
  }

  private connect(ticket: string): void {
    const url = new URL(`/ws/${encodeURIComponent(this.call)}`, window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("ticket", ticket);
    const since = this.hooks.since();
    if (since !== null) url.searchParams.set("since", String(since));
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onmessage = (message: MessageEvent<unknown>) => this.receive(message.data);
    socket.onclose = (event) => {
      if (this.closed || this.socket !== socket) return;
      this.retry(event.reason || "connection lost");
    };
  }

  private receive(data: unknown): void {
    this.watchSilence();
    const event = typeof data === "string" ? parseEvent(data) : null;
    if (event === null) return;
    if (event.type === "hello") {
      this.attempt = 0;
      this.hooks.onConnection({ kind: "live" });
    }
    this.hooks.onEvent(event);
  }

  /** A network that goes away says nothing for minutes; the ping finds out. */
  private watchSilence(): void {
    window.clearTimeout(this.silence);
    this.silence = window.setTimeout(() => {
      this.socket?.send(PING);
      this.silence = window.setTimeout(() => this.abandon(), PONG_MS);
    }, SILENCE_MS);
  }

  private abandon(): void {
    const silent = this.socket;
    this.socket = null;
    silent?.close();
    this.retry("the guard is silent");
  }

  private retry(why: string): void {
    if (this.closed) return;
    window.clearTimeout(this.silence);
    this.hooks.onConnection({ kind: "waiting", why });
    this.timer = window.setTimeout(() => void this.open(), backoffMs(this.attempt++, Math.random()));
  }

  private refuse(why: string): void {
    if (!this.closed) this.hooks.onConnection({ kind: "refused", why });
  }
}
