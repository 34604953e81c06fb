/** One dashboard's live state: the model of the call as signals, and what the user asked for. */

import { batch, computed, effect, signal } from "@preact/signals";

import type { EngineInfo, GuardEvent, SourceSnapshot } from "../events/schema";
import { CallModel, type Alert, type Participant } from "../model/call";
import { busiestOther, DEFAULT_CALL, isEmpty } from "../model/other-call";
import { STALE_SECONDS } from "../model/standing";
import { readPreferences, writePreferences, type Preferences } from "../model/preferences";
import { ApiError, type Api, type CallSnapshot, type Status } from "../server/api";
import { EventSocket, type Connection } from "../server/event-socket";
import { Alarm, FRESH_SECONDS, requestNotifications } from "./alarm";
import { FrameBatch } from "./frame-batch";

const ACKNOWLEDGED_KEY = "guard.acknowledged";
/** Acknowledged alerts remembered by this tab. */
const ACKNOWLEDGED_KEPT = 500;
/** How often an empty page looks for people in other calls, which its socket does not tell. */
const LOOK_ROUND_SECONDS = 2;

export class Session {
  readonly api: Api;
  readonly call = signal(DEFAULT_CALL);
  /** False until the user named a call: an empty page then goes where people are. */
  private chosen: boolean;
  readonly calls = signal<readonly CallSnapshot[]>([]);
  readonly status = signal<Status | null>(null);
  readonly connection = signal<Connection>({ kind: "connecting" });
  readonly participants = signal<ReadonlyMap<string, Participant>>(new Map());
  readonly alerts = signal<readonly Alert[]>([]);
  /** What computes now, as the events tell; null before the first. */
  readonly engine = signal<EngineInfo | null>(null);
  /** The calls that the guard joins by itself, of those shown here. */
  readonly sources = signal<readonly SourceSnapshot[]>([]);
  /** Newest alert, for the live region. */
  readonly announced = signal<Alert | null>(null);
  /** Newest server time in seconds: the right edge of every time-line. */
  readonly seconds = signal(0);
  readonly preferences = signal<Preferences>(readPreferences(localStorage));
  /** False while the guard is not heard: nothing on the page may then pass for a verdict. */
  readonly live = computed(() => this.connection.value.kind === "live" && !this.silent.value);
  /** Where people are instead, if this call is empty. */
  readonly other = computed(() => busiestOther(this.call.value, this.calls.value));
  readonly open = computed(() => this.alerts.value.filter((alert) => !alert.acknowledged));

  private readonly silent = signal(false);
  private silence: number | undefined;
  private looking: number | undefined;
  private closed = false;
  private readonly onRefused: () => void;
  private readonly alarm = new Alarm();
  private readonly incoming = new FrameBatch<GuardEvent>((events) => this.take(events));
  private model = new CallModel(DEFAULT_CALL, storedAcknowledged());
  private socket: EventSocket | null = null;

  /** `call` is null where the user named none. `onRefused` is called when the server no longer takes the token. */
  constructor(api: Api, call: string | null, onRefused: () => void) {
    this.api = api;
    this.onRefused = onRefused;
    this.chosen = call !== null;
    effect(() => writePreferences(this.preferences.value, localStorage));
    effect(() => {
      const theme = this.preferences.value.theme;
      if (theme === "system") delete document.documentElement.dataset["theme"];
      else document.documentElement.dataset["theme"] = theme;
    });
    effect(() => {
      const count = this.open.value.length;
      document.title = `${count > 0 ? `(${count}) ` : ""}${this.call.value} · Guard`;
    });
    if (this.preferences.value.sound) this.soundAfterFirstGesture();
    this.show(call ?? DEFAULT_CALL);
    void this.refreshServer();
    this.looking = window.setInterval(() => void this.lookRound(), LOOK_ROUND_SECONDS * 1000);
  }

  /** Show another call, which the user chose. */
  watch(call: string): void {
    this.chosen = true;
    const address = new URL(window.location.href);
    address.searchParams.set("call", call);
    history.replaceState(null, "", address);
    this.show(call);
  }

  private show(call: string): void {
    this.socket?.close();
    this.model = new CallModel(call, storedAcknowledged());
    this.call.value = call;
    this.publish();
    const model = this.model;
    this.socket = new EventSocket(this.api, call, {
      onEvent: (event) => {
        if (model === this.model) this.incoming.add(event);
      },
      onConnection: (connection) => {
        this.connection.value = connection;
        if (connection.kind === "live") {
          this.listen();
          void this.refreshServer();
        }
        if (connection.kind === "refused") this.onRefused();
      },
      // From 0 the server replays what it still has, so that a fresh page does not start with empty time-lines.
      since: () => model.seq,
    });
    void this.socket.open();
  }

  close(): void {
    this.closed = true;
    window.clearInterval(this.looking);
    this.socket?.close();
  }

  acknowledge(ids?: readonly string[]): void {
    const acknowledged = this.model.acknowledge(ids);
    sessionStorage.setItem(ACKNOWLEDGED_KEY, JSON.stringify(acknowledged.slice(-ACKNOWLEDGED_KEPT)));
    this.publish();
  }

  prefer(change: Partial<Preferences>): void {
    this.preferences.value = { ...this.preferences.value, ...change };
    if (change.sound) {
      this.alarm.enableSound();
      this.alarm.sound("warning");
    }
  }

  async toggleNotifications(): Promise<boolean> {
    const wanted = !this.preferences.value.notifications;
    const granted = wanted && (await requestNotifications());
    this.prefer({ notifications: granted });
    return granted === wanted;
  }

  async refreshServer(): Promise<void> {
    try {
      const [status, calls] = await Promise.all([this.api.status(), this.api.calls()]);
      batch(() => {
        this.status.value = status;
        this.calls.value = calls;
      });
    } catch (error) {
      // The socket says when the server is away; this is only what it does not carry.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  private async lookRound(): Promise<void> {
    if (this.model.participants.size > 0 || document.hidden) return;
    await this.refreshServer();
    const other = this.other.value;
    if (this.chosen || this.closed || other === null) return;
    // Asked of the server, since the socket may not have told yet who is here.
    if (isEmpty(this.call.value, this.calls.value)) this.show(other.call);
  }

  /** Participants are heard of several times a second: a longer silence means that the guard stands still. */
  private listen(): void {
    window.clearTimeout(this.silence);
    this.silent.value = false;
    this.silence = window.setTimeout(() => (this.silent.value = true), STALE_SECONDS * 1000);
  }

  private take(events: GuardEvent[]): void {
    this.listen();
    const effects = events.flatMap((event) => this.model.apply(event));
    this.publish();
    if (effects.some(({ kind }) => kind === "roster")) void this.refreshRoster();
    for (const item of effects) if (item.kind === "alert") this.announce(item.alert);
  }

  private publish(): void {
    batch(() => {
      this.participants.value = this.model.participants;
      this.alerts.value = this.model.alerts;
      this.engine.value = this.model.engine;
      this.sources.value = this.model.sources;
      this.seconds.value = this.model.seconds;
    });
  }

  private announce(alert: Alert): void {
    if (this.model.seconds - alert.seconds > FRESH_SECONDS) return;
    this.announced.value = alert;
    if (this.preferences.value.sound) this.alarm.sound(alert.severity);
    if (this.preferences.value.notifications) this.alarm.notify(alert);
  }

  private async refreshRoster(): Promise<void> {
    const model = this.model;
    try {
      model.refresh(await this.api.participants(model.call));
      this.calls.value = await this.api.calls();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    if (model === this.model) this.publish();
  }

  private soundAfterFirstGesture(): void {
    const enable = () => this.alarm.enableSound();
    window.addEventListener("pointerdown", enable, { once: true });
    window.addEventListener("keydown", enable, { once: true });
  }
}

function storedAcknowledged(): string[] {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(ACKNOWLEDGED_KEY) ?? "[]");
    return Array.isArray(value) ? value.filter((id): id is string => typeof id === "string") : [];
  } catch {
    return [];
  }
}
