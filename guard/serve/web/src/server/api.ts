/** The guard's HTTP API. Every failure becomes an ApiError with one line for people. */

import type { EngineInfo, ParticipantSnapshot } from "../events/schema";

export class ApiError extends Error {
  /** HTTP status; 0 where the server could not be reached. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** Where the state changes, in nats of accumulated evidence. */
export interface Thresholds {
  verified_enter: number;
  verified_leave: number;
  mismatch_enter: number;
  mismatch_leave: number;
  evidence_limit: number;
}

export interface Status {
  version: string;
  engine: EngineInfo;
  limits: { max_participants: number; enrolment_seconds: number; thumbnails: boolean; person_models: boolean };
  thresholds: Thresholds;
}

export interface CallSnapshot {
  call: string;
  participants: number;
}

/** Times are RFC 3339; `usable` is false where the template belongs to another engine. */
export interface TemplateInfo {
  name: string;
  created: string;
  expires: string;
  usable: boolean;
}

export interface Consent {
  statement: string;
  given_by: string;
  text_version: string;
}

export class Api {
  private readonly token: string;

  constructor(token: string) {
    this.token = token;
  }

  status(): Promise<Status> {
    return this.json<Status>("GET", "/api/status");
  }

  calls(): Promise<CallSnapshot[]> {
    return this.json<CallSnapshot[]>("GET", "/api/calls");
  }

  participants(call: string): Promise<ParticipantSnapshot[]> {
    return this.json<ParticipantSnapshot[]>("GET", `/api/calls/${encodeURIComponent(call)}/participants`);
  }

  templates(): Promise<TemplateInfo[]> {
    return this.json<TemplateInfo[]>("GET", "/api/templates");
  }

  async deleteTemplate(name: string): Promise<void> {
    await this.send("DELETE", `/api/templates/${encodeURIComponent(name)}`);
  }

  async startEnrolment(call: string, participant: string, name: string, consent: Consent): Promise<void> {
    await this.send("POST", `${seatPath(call, participant)}/enrolment`, { name, consent });
  }

  async cancelEnrolment(call: string, participant: string): Promise<void> {
    await this.send("DELETE", `${seatPath(call, participant)}/enrolment`);
  }

  /** Compare this seat with a template from now on; null clears the seat. */
  async setSeat(call: string, participant: string, template: string | null): Promise<void> {
    const path = `${seatPath(call, participant)}/seat`;
    await (template === null ? this.send("DELETE", path) : this.send("PUT", path, { template }));
  }

  /** The newest picture, or null where none is offered. */
  async thumbnail(call: string, participant: string): Promise<Blob | null> {
    const response = await this.fetch("GET", `${seatPath(call, participant)}/thumbnail`);
    return response.ok ? response.blob() : null;
  }

  /** A picture of a facial movement, by the path that its event names; null where there is none. */
  async movementPicture(path: string): Promise<Blob | null> {
    if (!path.startsWith("/api/witnesses/")) return null;
    const response = await this.fetch("GET", path);
    return response.ok ? response.blob() : null;
  }

  /** A single-use ticket for the WebSocket: browsers cannot send the token in a header there. */
  async ticket(): Promise<string> {
    return (await this.json<{ ticket: string }>("POST", "/api/tickets")).ticket;
  }

  private async json<T>(method: string, path: string): Promise<T> {
    return (await (await this.send(method, path)).json()) as T;
  }

  private async send(method: string, path: string, body?: unknown): Promise<Response> {
    const response = await this.fetch(method, path, body);
    if (!response.ok) throw new ApiError(await reason(response), response.status);
    return response;
  }

  private async fetch(method: string, path: string, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = { Authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await fetch(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    } catch {
      throw new ApiError("The guard cannot be reached; is `guard serve` still running?", 0);
    }
  }
}

function seatPath(call: string, participant: string): string {
  return `/api/calls/${encodeURIComponent(call)}/participants/${encodeURIComponent(participant)}`;
}

/** One line from a refusal: the problem's `detail` (RFC 9457), its text, or the bare status. */
export async function reason(response: Response): Promise<string> {
  const text = (await response.text()).trim();
  const fallback = text !== "" && text.length < 300 ? text : `The guard answered ${response.status}`;
  try {
    const { detail, title } = JSON.parse(text) as { detail?: unknown; title?: unknown };
    if (typeof detail === "string") return detail;
    return typeof title === "string" ? title : fallback;
  } catch {
    return fallback;
  }
}
