/**
 * What the dashboard knows about one call, built from its events. Pure and synchronous: no DOM, no clock.
 *
 * The server numbers the events of a call; an event that was seen already (replayed after a reconnect) changes nothing.
 */

import type {
  AbstainReason,
  AlertEvent,
  DriverState,
  EngineInfo,
  GuardEvent,
  HelloEvent,
  ParticipantEvent,
  ParticipantSnapshot,
  ScoreEvent,
  Severity,
  SourceSnapshot,
  WitnessesEvent,
} from "../events/schema";
import { Timeline } from "./timeline";

/** Points per time-line: two minutes at five scores a second. */
export const TIMELINE_POINTS = 600;
/** Alerts kept in the feed. */
export const ALERTS_KEPT = 200;

export interface Alert {
  id: string;
  seq: number;
  participant: string | null;
  severity: Severity;
  reason: string;
  /** Why there is no verdict, where the alert is about that. */
  abstainReason: AbstainReason | null;
  /** Seconds since the epoch, by the server's clock. */
  seconds: number;
  acknowledged: boolean;
}

export interface Health {
  dropped_frames: number;
  breaks: number;
}

export interface Participant {
  name: string;
  state: DriverState;
  /** Why there is no verdict; null in every state but abstain. */
  abstainReason: AbstainReason | null;
  why: string;
  enrolledAs: string | null;
  /** 0..1 of a running enrolment; null when none runs. */
  enrolmentProgress: number | null;
  /** Why the last enrolment failed; empty otherwise. */
  enrolmentError: string;
  /** What the last enrolment lacks; empty where it is whole. */
  enrolmentNote: string;
  thumbnail: boolean;
  score: ScoreEvent | null;
  health: Health | null;
  /** What witnesses say beside the engine; null where there are none. */
  opinions: WitnessesEvent | null;
  timeline: Timeline;
}

/** What an event means for the world outside the model. */
export type Effect = { kind: "alert"; alert: Alert } | { kind: "roster" };

export class CallModel {
  readonly call: string;
  participants: ReadonlyMap<string, Participant> = new Map();
  /** Newest first. */
  alerts: readonly Alert[] = [];
  /** What computes now. */
  engine: EngineInfo | null = null;
  serverVersion = "";
  /** The calls that the guard joins by itself and shows under this call's name, in the order of the settings. */
  sources: readonly SourceSnapshot[] = [];
  /** Newest seq seen; what a reconnect resumes from. */
  seq = 0;
  /** Newest server time seen, in seconds since the epoch. */
  seconds = 0;
  private readonly acknowledged: Set<string>;
  /** Up to this seq the sources of the last hello know better than replayed events. */
  private sourcesSeq = 0;

  constructor(call: string, acknowledged: Iterable<string> = []) {
    this.call = call;
    this.acknowledged = new Set(acknowledged);
  }

  /** Take one event; duplicates, events out of order and events of other calls change nothing. */
  apply(event: GuardEvent): Effect[] {
    if (event.call !== this.call) return [];
    if (event.type === "hello") return this.hello(event);
    if (event.seq <= this.seq) return [];
    this.seq = event.seq;
    this.seconds = Math.max(this.seconds, eventSeconds(event));
    switch (event.type) {
      case "participant":
        return this.roster(event);
      case "score":
        return this.score(event);
      case "state":
        return this.update(event.participant, {
          state: event.state,
          abstainReason: event.abstain_reason,
          why: event.why,
        });
      case "health":
        return this.update(event.participant, {
          health: { dropped_frames: event.dropped_frames, breaks: event.breaks },
        });
      case "witnesses":
        return this.update(event.participant, { opinions: event });
      case "alert":
        return this.alert(event);
      case "engine":
        this.engine = event.engine;
        return [];
      case "source":
        if (event.seq > this.sourcesSeq) this.source(event.source);
        return [];
    }
  }

  /** Mark alerts as seen; with no ids, all of them. Returns every id acknowledged so far. */
  acknowledge(ids?: readonly string[]): string[] {
    for (const id of ids ?? this.alerts.map((alert) => alert.id)) this.acknowledged.add(id);
    this.alerts = this.alerts.map((alert) =>
      this.acknowledged.has(alert.id) && !alert.acknowledged ? { ...alert, acknowledged: true } : alert,
    );
    return [...this.acknowledged];
  }

  /** Set what the REST API says about a participant that the event stream does not carry. */
  refresh(snapshots: readonly ParticipantSnapshot[]): void {
    for (const { participant, thumbnail } of snapshots) this.update(participant, { thumbnail });
  }

  private hello(event: HelloEvent): Effect[] {
    this.engine = event.engine;
    this.serverVersion = event.server_version;
    this.sources = event.sources;
    this.sourcesSeq = event.seq;
    this.seconds = Math.max(this.seconds, eventSeconds(event));
    // A resumed connection replays what was missed, so the roster follows from the events. Without it, what lies
    // between is lost: the snapshot is the truth, and also the numbering may have started anew with the server.
    if (event.resumed_from !== null && event.resumed_from === this.seq) {
      for (const snapshot of event.participants) {
        if (!this.participants.has(snapshot.participant)) this.seat(snapshot);
      }
      return [];
    }
    if (event.seq < this.seq) for (const { timeline } of this.participants.values()) timeline.clear();
    this.seq = event.resumed_from ?? event.seq;
    const named = new Set(event.participants.map((snapshot) => snapshot.participant));
    this.participants = new Map([...this.participants].filter(([name]) => named.has(name)));
    event.participants.forEach((snapshot) => this.seat(snapshot));
    return [];
  }

  private seat(snapshot: ParticipantSnapshot): void {
    const before = this.participants.get(snapshot.participant) ?? newParticipant(snapshot.participant);
    this.participants = new Map(this.participants).set(snapshot.participant, {
      ...before,
      state: snapshot.state,
      abstainReason: snapshot.abstain_reason,
      why: snapshot.why,
      enrolledAs: snapshot.enrolled_as,
      enrolmentProgress: snapshot.enrolment_progress,
      thumbnail: snapshot.thumbnail,
    });
  }

  private roster(event: ParticipantEvent): Effect[] {
    const { participant: name, action } = event;
    if (name === null) return [];
    if (action === "left") {
      this.participants = new Map([...this.participants].filter(([key]) => key !== name));
      return [];
    }
    const seat = { enrolledAs: event.enrolled_as, enrolmentProgress: event.enrolment_progress };
    switch (action) {
      case "joined":
        this.participants = new Map(this.participants).set(name, { ...newParticipant(name), ...seat, why: event.why });
        return [{ kind: "roster" }];
      case "enrolling":
        return this.update(name, { enrolmentProgress: event.enrolment_progress ?? 0, enrolmentError: "", enrolmentNote: "" });
      case "enrolled":
        return this.update(name, { ...seat, enrolmentProgress: null, enrolmentError: "", enrolmentNote: event.why });
      case "enrolment_failed":
        return this.update(name, { enrolmentProgress: null, enrolmentError: event.why });
      case "seat_cleared":
        return this.update(name, { enrolledAs: null, enrolmentProgress: null });
    }
  }

  private score(event: ScoreEvent): Effect[] {
    if (event.participant === null) return [];
    const { state, why } = event;
    this.update(event.participant, { score: event, state, abstainReason: event.abstain_reason, why });
    this.participants.get(event.participant)?.timeline.push({
      seconds: eventSeconds(event),
      evidence: event.evidence,
      llr: event.llr,
      state: event.state,
    });
    return [];
  }

  private source(changed: SourceSnapshot): void {
    const others = this.sources.filter(({ number }) => number !== changed.number);
    this.sources = [...others, changed].sort((a, b) => a.number - b.number);
  }

  private alert(event: AlertEvent): Effect[] {
    if (this.alerts.some((alert) => alert.id === event.evidence_id)) return [];
    const alert: Alert = {
      id: event.evidence_id,
      seq: event.seq,
      participant: event.participant,
      severity: event.severity,
      reason: event.reason,
      abstainReason: event.abstain_reason,
      seconds: eventSeconds(event),
      acknowledged: this.acknowledged.has(event.evidence_id),
    };
    this.alerts = [alert, ...this.alerts].slice(0, ALERTS_KEPT);
    return alert.acknowledged ? [] : [{ kind: "alert", alert }];
  }

  private update(name: string | null, change: Partial<Participant>): Effect[] {
    // An event of someone who is not in the call is a straggler: it must not bring back a tile of someone who left.
    const before = name === null ? undefined : this.participants.get(name);
    if (before) this.participants = new Map(this.participants).set(before.name, { ...before, ...change });
    return [];
  }
}

/** The time of an event in seconds since the epoch. */
export function eventSeconds(event: GuardEvent): number {
  return Date.parse(event.time) / 1000;
}

function newParticipant(name: string): Participant {
  return {
    name,
    state: "warming",
    abstainReason: null,
    why: "",
    enrolledAs: null,
    enrolmentProgress: null,
    enrolmentError: "",
    enrolmentNote: "",
    thumbnail: false,
    score: null,
    health: null,
    opinions: null,
    timeline: new Timeline(TIMELINE_POINTS),
  };
}
