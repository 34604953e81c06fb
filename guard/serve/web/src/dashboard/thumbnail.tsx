/** A small live picture, fetched once a second while somebody looks at it. */

import { useEffect, useState } from "preact/hooks";

import type { Participant } from "../model/call";
import type { Session } from "./session";

const PERIOD_MS = 1000;

export function Thumbnail({ participant, session }: { participant: Participant; session: Session }) {
  const { name, thumbnail } = participant;
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (!thumbnail) return;
    let current: string | null = null;
    let stopped = false;
    const show = async () => {
      if (document.hidden || session.connection.value.kind !== "live") return;
      const picture = await session.api.thumbnail(session.call.value, name).catch(() => null);
      if (stopped) return;
      const last = current;
      current = picture && URL.createObjectURL(picture);
      setUrl(current);
      if (last !== null) URL.revokeObjectURL(last);
    };
    void show();
    const timer = window.setInterval(() => void show(), PERIOD_MS);
    return () => {
      stopped = true;
      window.clearInterval(timer);
      if (current !== null) URL.revokeObjectURL(current);
    };
  }, [name, thumbnail, session]);
  if (url === null) {
    const hint = thumbnail ? "No picture yet" : "Live pictures are switched off on this guard";
    return (
      <span class="thumbnail" title={hint} aria-hidden="true">
        {name.slice(0, 2)}
      </span>
    );
  }
  return <img class="thumbnail" src={url} alt={`What ${name} sends`} width={64} height={48} />;
}
