/** Alerts, newest first, and the live regions that read them out. */

import type { Alert } from "../model/call";
import { ABSTAIN_MEANING, clock } from "../model/wording";
import { Icon } from "../parts/icons";
import type { Session } from "./session";

export function AlertFeed({ session }: { session: Session }) {
  const alerts = session.alerts.value;
  const open = session.open.value.length;
  return (
    <aside class="alerts" aria-label="Alerts" data-open={open > 0} id="alerts" tabIndex={-1}>
      <header>
        <h2>
          Alerts <span class="count">{open}</span>
        </h2>
        {open > 1 && (
          <button type="button" class="quiet" onClick={() => session.acknowledge()}>
            Acknowledge all
          </button>
        )}
      </header>
      {alerts.length === 0 ? (
        <p class="hint">Nothing to look at. An alert comes when a driver does not match, or when the guard is blind.</p>
      ) : (
        <ol>
          {alerts.map((alert) => (
            <AlertItem key={alert.id} alert={alert} onAcknowledge={() => session.acknowledge([alert.id])} />
          ))}
        </ol>
      )}
    </aside>
  );
}

function AlertItem({ alert, onAcknowledge }: { alert: Alert; onAcknowledge: () => void }) {
  return (
    <li
      class="alert"
      data-severity={alert.severity}
      data-acknowledged={alert.acknowledged}
      data-testid="alert-item"
      data-participant={alert.participant ?? ""}
    >
      <Icon name={alert.severity === "critical" ? "mismatch" : "warning"} />
      <div>
        <p class="alert-head">
          <strong>{alert.participant ?? "call"}</strong>
          <span class="severity">{alert.severity}</span>
          <time>{clock(alert.seconds)}</time>
        </p>
        <p title={alert.abstainReason === null ? undefined : ABSTAIN_MEANING[alert.abstainReason]}>{alert.reason}</p>
        <p class="alert-foot">
          <span title="Evidence id">{alert.id}</span>
          {alert.acknowledged ? (
            <span>
              <Icon name="check" /> acknowledged
            </span>
          ) : (
            <button type="button" class="quiet" data-testid="alert-acknowledge" onClick={onAcknowledge}>
              Acknowledge<span class="unseen"> alert about {alert.participant ?? "the call"}</span>
            </button>
          )}
        </p>
      </div>
    </li>
  );
}

/** Read out by screen readers: critical alerts at once, warnings when it suits. Always in the page, as they must be. */
export function Announcer({ session }: { session: Session }) {
  const alert = session.announced.value;
  const text = alert ? `${alert.severity} alert, ${alert.participant ?? "call"}: ${alert.reason}` : "";
  return (
    <div class="unseen">
      <p aria-live="assertive">{alert?.severity === "critical" ? text : ""}</p>
      <p aria-live="polite">{alert?.severity === "warning" ? text : ""}</p>
    </div>
  );
}
