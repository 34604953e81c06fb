/** One person in the shared picture: framed, then sent to the guard. */

import { signal } from "@preact/signals";

import { Publisher } from "../server/publisher";
import { CroppedTrack } from "./cropped-track";
import { scaleDown, type Region } from "./region";

export type TapState = "framed" | "joining" | "live" | "interrupted" | "failed";

export class TappedSeat {
  readonly region: Region;
  readonly name;
  readonly state = signal<TapState>("framed");
  /** Why it failed; empty otherwise. */
  readonly problem = signal("");
  private cropped: CroppedTrack | null = null;
  private publisher: Publisher | null = null;

  constructor(region: Region, name: string) {
    this.region = region;
    this.name = signal(name);
  }

  get isSending(): boolean {
    return this.publisher !== null;
  }

  /** Send this part of the picture into `call`; what goes wrong stands in `problem`. */
  async watch(shared: MediaStreamTrack, call: string, token: string): Promise<void> {
    if (this.isSending) return;
    this.problem.value = "";
    this.state.value = "joining";
    const cropped = (this.cropped = new CroppedTrack(shared, this.region));
    const publisher = (this.publisher = new Publisher(token, (connection) => this.follow(connection)));
    const lines = this.region.height * (shared.getSettings().height ?? 0);
    try {
      await publisher.publish(cropped.track, call, this.name.value.trim(), scaleDown(lines));
    } catch (error) {
      if (this.publisher === publisher) this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  close(): void {
    this.publisher?.close();
    this.cropped?.close();
    this.publisher = null;
    this.cropped = null;
    this.state.value = "framed";
  }

  private fail(why: string): void {
    this.close();
    this.problem.value = why;
    this.state.value = "failed";
  }

  private follow(connection: RTCPeerConnectionState): void {
    if (connection === "connected") this.state.value = "live";
    else if (connection === "disconnected") this.state.value = "interrupted";
    else if (connection === "failed" || connection === "closed") this.fail("The connection to the guard failed; try again");
  }
}
