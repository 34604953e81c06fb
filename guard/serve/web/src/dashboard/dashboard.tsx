/** The control-room page: a tile for each participant beside the alert feed. */

import { signal } from "@preact/signals";

import { Icon } from "../parts/icons";
import { AlertFeed, Announcer } from "./alert-feed";
import { EngineFooter } from "./engine-footer";
import type { Session } from "./session";
import { SourceList } from "./source-list";
import { Tile } from "./tile";
import { TopBar } from "./top-bar";

const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const prefersDark = signal(systemDark.matches);
systemDark.addEventListener("change", () => (prefersDark.value = systemDark.matches));

export function Dashboard({ session }: { session: Session }) {
  const participants = [...session.participants.value.values()].sort((a, b) => a.name.localeCompare(b.name));
  const { theme } = session.preferences.value;
  const dark = theme === "system" ? prefersDark.value : theme === "dark";
  return (
    <div class="page">
      <TopBar session={session} />
      <SourceList session={session} />
      <main class="tiles" aria-label="Participants" data-count={participants.length}>
        {participants.length === 0 && <EmptyCall session={session} />}
        {participants.map((participant) => (
          <Tile key={participant.name} participant={participant} session={session} dark={dark} />
        ))}
      </main>
      <AlertFeed session={session} />
      <EngineFooter session={session} />
      <Announcer session={session} />
    </div>
  );
}

function EmptyCall({ session }: { session: Session }) {
  const call = session.call.value;
  const other = session.other.value;
  const join = `/join?call=${encodeURIComponent(call)}`;
  return (
    <section class="card empty" data-testid="empty">
      <Icon name="camera" />
      <h2>Nobody is in the call “{call}”</h2>
      <p>A tile appears here as soon as somebody publishes a camera into it.</p>
      {other !== null && (
        <button type="button" class="button" data-testid="other-call" onClick={() => session.watch(other.call)}>
          Show the call “{other.call}” ({other.participants} {other.participants === 1 ? "participant" : "participants"})
        </button>
      )}
      {/* rel=opener lets the new tab inherit this tab's session storage, and with it the token. */}
      <a class="button primary" href={join} target="_blank" rel="opener">
        Join with this device's camera
      </a>
      <p class="hint">
        Any WHIP publisher may join too: POST its offer to <code>/whip/{call}/NAME</code> with the join token that <code>guard serve</code> printed.
      </p>
    </section>
  );
}
