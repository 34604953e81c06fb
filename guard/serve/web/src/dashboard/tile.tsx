/** One participant: who they should be, what the guard says, why, and how it came to that. */

import { useState } from "preact/hooks";

import type { DriverState } from "../events/schema";
import type { Participant } from "../model/call";
import { standing } from "../model/standing";
import { nats, percent, STATE_LABEL, STATE_MEANING } from "../model/wording";
import { Icon, StateIcon } from "../parts/icons";
import { Chart } from "./chart";
import { EnrolDialog } from "./enrol-dialog";
import { Opinions } from "./opinions";
import { SeatDialog } from "./seat-dialog";
import type { Session } from "./session";
import { Thumbnail } from "./thumbnail";

const WITHOUT_VERDICT: ReadonlySet<DriverState> = new Set(["abstain", "unenrolled"]);

interface TileProps {
  participant: Participant;
  session: Session;
  dark: boolean;
}

export function Tile({ participant, session, dark }: TileProps) {
  const [dialog, setDialog] = useState<"enrol" | "seat" | null>(null);
  const { name, score } = participant;
  const { state, why } = standing(participant, session.live.value, session.seconds.value);
  const open = session.open.value.filter((alert) => alert.participant === name);
  const severity = open.some((alert) => alert.severity === "critical") ? "critical" : "warning";
  const heading = `tile-${name}-name`;
  const thresholds = session.status.value?.thresholds;
  return (
    <article
      class="tile"
      data-state={state}
      data-seq={score?.seq}
      data-alert={open.length > 0 ? severity : undefined}
      data-testid={`tile-${name}`}
      aria-labelledby={heading}
    >
      <header class="tile-head">
        {session.preferences.value.pictures && <Thumbnail participant={participant} session={session} />}
        <div class="who">
          <h2 id={heading}>{name}</h2>
          <p class="seat">
            {participant.enrolledAs === null ? "no template" : `enrolled as ${participant.enrolledAs}`}
          </p>
        </div>
        <div class="verdict">
          <span class="badge" data-state={state} data-testid={`state-${name}`} title={STATE_MEANING[state]}>
            <StateIcon state={state} />
            {STATE_LABEL[state]}
          </span>
        </div>
      </header>
      <div class="summary">
        <p class="why">{why || STATE_MEANING[state]}</p>
        <p class="evidence" title="Accumulated evidence in nats: above 0 speaks for the enrolled driver">
          <span class="evidence-label">evidence</span>
          <strong data-testid={`score-${name}`} data-value={score?.evidence ?? ""}>
            {nats(WITHOUT_VERDICT.has(state) ? null : score?.evidence)}
          </strong>
        </p>
      </div>
      {thresholds && (
        <Chart
          timeline={participant.timeline}
          thresholds={thresholds}
          now={session.seconds.value}
          dark={dark}
          label={`Evidence of the last 90 seconds, now ${nats(score?.evidence)} nats: ${STATE_LABEL[state]}`}
        />
      )}
      <Figures participant={participant} />
      {participant.opinions && <Opinions participant={name} opinions={participant.opinions} session={session} />}
      {participant.enrolmentProgress !== null && <EnrolmentProgress progress={participant.enrolmentProgress} />}
      {participant.enrolmentError !== "" && (
        <p class="problem">
          <Icon name="warning" /> Enrolment failed: {participant.enrolmentError}
        </p>
      )}
      {participant.enrolmentNote !== "" && <p class="enrolment-note">{participant.enrolmentNote}</p>}
      <footer class="tile-foot">
        <button
          type="button"
          class={participant.enrolledAs === null ? "primary" : ""}
          data-testid={`enrol-${name}`}
          onClick={() => setDialog("enrol")}
        >
          {participant.enrolmentProgress === null ? "Enrol" : "Enrolling"}
          <span class="unseen"> {name}</span>
        </button>
        <button type="button" data-testid={`seat-${name}`} onClick={() => setDialog("seat")}>
          Seat<span class="unseen"> of {name}</span>
        </button>
        {open.length > 0 && (
          <button
            type="button"
            class="acknowledge"
            data-testid={`acknowledge-${name}`}
            onClick={() => session.acknowledge(open.map((alert) => alert.id))}
          >
            <Icon name="check" /> Acknowledge{open.length > 1 && ` ${open.length}`}
            <span class="unseen">
              {" "}
              {open.length === 1 ? "alert" : "alerts"} of {name}
            </span>
          </button>
        )}
      </footer>
      {dialog === "enrol" && (
        <EnrolDialog participant={participant} session={session} onClose={() => setDialog(null)} />
      )}
      {dialog === "seat" && <SeatDialog participant={participant} session={session} onClose={() => setDialog(null)} />}
    </article>
  );
}

function Figures({ participant: { score, health } }: { participant: Participant }) {
  const latency = score?.latency;
  const stages = latency
    ? `queue ${latency.queue_ms.toFixed(1)} ms, pixels ${latency.pixels_ms.toFixed(1)} ms, ` +
      `engine ${latency.engine_ms.toFixed(1)} ms, decision ${latency.verify_ms.toFixed(1)} ms`
    : "no latency measured yet";
  return (
    <dl class="figures">
      <Figure name="similarity" title="Cohort-normalised comparison score of the newest window">
        {score?.similarity?.toFixed(2).replace("-", "−") ?? "–"}
      </Figure>
      <Figure name="window" title="Share of the window that could be used">
        {score ? percent(score.valid_fraction) : "–"}
      </Figure>
      <Figure name="fps" title="Frames per second that reach the engine">
        {score?.fps.toFixed(1) ?? "–"}
      </Figure>
      <Figure name="latency" title={`Frame arrival to score sent: ${stages}`}>
        {latency ? `${Math.round(latency.total_ms)} ms` : "–"}
      </Figure>
      <Figure name="drops" title={health ? `${health.breaks} breaks in the motion so far` : "Frames dropped"}>
        {health ? health.dropped_frames : "–"}
      </Figure>
    </dl>
  );
}

function Figure({ name, title, children }: { name: string; title: string; children: string | number }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function EnrolmentProgress({ progress }: { progress: number }) {
  return (
    <label class="progress">
      <span>Enrolling: {percent(progress)} of the video it needs</span>
      <progress max={1} value={progress} />
    </label>
  );
}
