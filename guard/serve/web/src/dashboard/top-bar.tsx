/** Which call, how the connection is, and what this browser may do. */

import { useState } from "preact/hooks";

import type { Theme } from "../model/preferences";
import { Icon, type IconName } from "../parts/icons";
import { Toggle } from "../parts/toggle";
import type { Connection } from "../server/event-socket";
import type { Session } from "./session";

const CONNECTION_LABEL: Record<Connection["kind"], string> = {
  connecting: "Connecting",
  live: "Live",
  waiting: "Reconnecting",
  refused: "Refused",
};
const NEXT_THEME: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const THEME_ICON: Record<Theme, IconName> = { system: "auto", light: "sun", dark: "moon" };

export function TopBar({ session }: { session: Session }) {
  const { theme, sound, notifications, pictures } = session.preferences.value;
  const [blocked, setBlocked] = useState(false);
  const notify = async () => setBlocked(!(await session.toggleNotifications()));
  return (
    <header class="top">
      <a class="skip" href="#alerts">
        Skip to the alerts
      </a>
      <h1 class="brand">
        <Icon name="verified" /> Guard
      </h1>
      <CallPicker session={session} />
      <ConnectionBadge connection={session.connection.value} />
      <div class="tools" role="group" aria-label="This browser">
        <Toggle
          on={sound}
          icon="sound"
          iconOff="mute"
          label="Sound"
          hint={sound ? "Alerts sound in this tab" : "Alerts are silent"}
          onToggle={() => session.prefer({ sound: !sound })}
        />
        <Toggle
          on={notifications}
          icon="bell"
          iconOff="bellOff"
          label="Notify"
          hint={blocked ? "The browser does not permit notifications here" : "Desktop notifications for alerts"}
          onToggle={() => void notify()}
        />
        <Toggle
          on={pictures}
          icon="picture"
          iconOff="pictureOff"
          label="Pictures"
          hint="Small live pictures of the participants"
          onToggle={() => session.prefer({ pictures: !pictures })}
        />
        <button
          type="button"
          class="tool"
          title={`Colours: ${theme}`}
          onClick={() => session.prefer({ theme: NEXT_THEME[theme] })}
        >
          <Icon name={THEME_ICON[theme]} />
          <span class="tool-label">
            <span class="unseen">Colours: </span>
            {theme === "system" ? "Auto" : theme === "light" ? "Light" : "Dark"}
          </span>
        </button>
      </div>
    </header>
  );
}

function CallPicker({ session }: { session: Session }) {
  const current = session.call.value;
  const names = [...new Set([current, ...session.calls.value.map(({ call }) => call)])].sort();
  return (
    <label class="call-picker">
      <span>Call</span>
      <select
        value={current}
        data-testid="call-picker"
        onChange={(event) => session.watch(event.currentTarget.value)}
        onFocus={() => void session.refreshServer()}
      >
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function ConnectionBadge({ connection }: { connection: Connection }) {
  const why = "why" in connection ? connection.why : "";
  return (
    <p class="connection" data-kind={connection.kind} data-testid="connection" role="status" title={why}>
      <span class="dot" aria-hidden="true" />
      {CONNECTION_LABEL[connection.kind]}
      {why !== "" && <span class="connection-why">{why}</span>}
    </p>
  );
}
