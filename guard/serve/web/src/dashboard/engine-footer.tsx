/** What computes the scores: the backend really in use, and why a faster one is not. */

import type { Session } from "./session";

export function EngineFooter({ session }: { session: Session }) {
  const status = session.status.value;
  if (status === null) return <footer class="engine" />;
  const { version } = status;
  const engine = session.engine.value ?? status.engine;
  return (
    <footer class="engine" data-testid="engine">
      <span>
        engine <strong>{engine.name}</strong> {engine.version}
      </span>
      <span>
        {engine.backend} · {engine.precision} · {engine.device}
      </span>
      <span>
        window {engine.window_frames} frames ({engine.window_seconds.toFixed(1)} s)
      </span>
      <span title={engine.model_sha256}>
        model <code>{engine.model_sha256.slice(0, 12)}</code>
      </span>
      {engine.fallback_reason !== null && <span class="fallback">not accelerated: {engine.fallback_reason}</span>}
      <span>guard {version}</span>
    </footer>
  );
}
