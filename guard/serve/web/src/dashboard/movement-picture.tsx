/** The picture of a facial movement; fetched with the token, once for all who show it. */

import { useEffect, useState } from "preact/hooks";

import type { Session } from "./session";

const fetched = new Map<string, Promise<string | null>>();

export function MovementPicture({ path, session }: { path: string; session: Session }) {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    let stopped = false;
    void picture(path, session).then((found) => {
      if (!stopped) setUrl(found);
    });
    return () => {
      stopped = true;
    };
  }, [path, session]);
  // The words beside it say what moves.
  if (url === null) return <span class="movement-picture" aria-hidden="true" />;
  return <img class="movement-picture" src={url} alt="" width={48} height={48} />;
}

function picture(path: string, session: Session): Promise<string | null> {
  let found = fetched.get(path);
  if (found === undefined) {
    found = session.api.movementPicture(path).then(
      (blob) => (blob === null ? null : URL.createObjectURL(blob)),
      () => {
        fetched.delete(path); // The guard was away: asked again the next time.
        return null;
      },
    );
    fetched.set(path, found);
  }
  return found;
}
