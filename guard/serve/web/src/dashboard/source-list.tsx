/** The calls that the guard joins by itself: one line each, with what keeps it out and when it tries again. */

import { SOURCE_LABEL, sourceDetail } from "../model/wording";
import type { Session } from "./session";

export function SourceList({ session }: { session: Session }) {
  const sources = session.sources.value;
  if (sources.length === 0) return null;
  // What the guard last said may not hold any more once it is not heard.
  const heard = session.connection.value.kind === "live";
  return (
    <ul class="sources" aria-label="Calls that the guard joins" data-heard={heard}>
      {sources.map((source) => (
        <li key={source.number} class="source" data-state={source.state} data-testid={`source-${source.number}`}>
          <span class="dot" aria-hidden="true" />
          <span class="source-url">{source.url}</span>
          <strong role="status">
            {heard ? "" : "last heard: "}
            {SOURCE_LABEL[source.state]}
          </strong>
          <span class="source-detail">{sourceDetail(source)}</span>
        </li>
      ))}
    </ul>
  );
}
