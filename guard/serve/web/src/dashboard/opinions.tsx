/** Second opinions on one participant: what each witness says beside the engine, and which movements stand out. */

import type { MovementDifference, WitnessesEvent, WitnessOpinion } from "../events/schema";
import { eventSeconds } from "../model/call";
import { ago, leaning, movementText, nats, OPINION_LIMITS, opinionMeaning, opinionName, percent } from "../model/wording";
import { MovementPicture } from "./movement-picture";
import type { Session } from "./session";

/** Nats at either end of a bar, where the server has not said how far evidence goes. */
const DEFAULT_LIMIT = 6;

interface OpinionsProps {
  participant: string;
  opinions: WitnessesEvent;
  session: Session;
}

export function Opinions({ participant, opinions, session }: OpinionsProps) {
  const { witnesses, fused_llr: fused, movements } = opinions;
  const limit = session.status.value?.thresholds.evidence_limit ?? DEFAULT_LIMIT;
  const since = Math.max(0, session.seconds.value - eventSeconds(opinions));
  const speaking = witnesses.filter(({ llr }) => llr !== null).length;
  return (
    <details class="opinions" data-testid={`opinions-${participant}`}>
      <summary>
        <span>
          Second opinions<span class="unseen"> on {participant}</span>
        </span>
        <span class="opinions-brief">
          {fused === null ? `${speaking} of ${witnesses.length} speak` : `together ${nats(fused)}`}
        </span>
      </summary>
      <ul class="opinion-list">
        {witnesses.map((opinion) => (
          <Opinion key={opinion.name} opinion={opinion} limit={limit} since={since} />
        ))}
        <li class="opinion together">
          <span class="opinion-name">All together</span>
          <Bar llr={fused} limit={limit} />
          <strong>{nats(fused)}</strong>
          <span class="opinion-note">
            {fused === null ? "facial motion decides alone" : `${leaning(fused)}, from ${seconds(opinions)} of video`}
          </span>
        </li>
      </ul>
      {movements.length > 0 && (
        <section class="movements" aria-label={`Movements of ${participant} that differ from the enrolment`}>
          <h3>What differs from the enrolment</h3>
          <ul>
            {movements.map((movement) => (
              <Movement key={movement.token} movement={movement} session={session} />
            ))}
          </ul>
        </section>
      )}
      <p class="opinion-limits">{OPINION_LIMITS}</p>
    </details>
  );
}

function Opinion({ opinion, limit, since }: { opinion: WitnessOpinion; limit: number; since: number }) {
  const { name, llr, why, age_seconds: age } = opinion;
  const parts = llr === null ? [] : [leaning(llr)];
  if (why !== null) parts.push(why);
  else if (age !== null && name !== "f5c") parts.push(ago(age + since));
  return (
    <li class="opinion" data-testid={`opinion-${name}`} data-silent={llr === null}>
      <span class="opinion-name" title={opinionMeaning(name)}>
        {opinionName(name)}
      </span>
      <Bar llr={llr} limit={limit} />
      <strong>{nats(llr)}</strong>
      <span class="opinion-note">{parts.join(" · ")}</span>
    </li>
  );
}

/** From the middle to the right for the driver, to the left against; the number and words beside it say the same. */
function Bar({ llr, limit }: { llr: number | null; limit: number }) {
  const reach = llr === null ? 0 : Math.min(Math.abs(llr) / limit, 1) * 50;
  const against = llr !== null && llr < 0;
  return (
    <svg class="opinion-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <rect class="track" x={0} y={0} width={100} height={8} rx={2} />
      <rect class={against ? "against" : "for"} x={against ? 50 - reach : 50} y={0} width={reach} height={8} />
      <rect class="middle" x={49.6} y={0} width={0.8} height={8} />
    </svg>
  );
}

function Movement({ movement, session }: { movement: MovementDifference; session: Session }) {
  return (
    <li title={movement.limits}>
      <MovementPicture path={movement.picture} session={session} />
      <span class="movement-words">{movementText(movement)}</span>
      <span class="movement-share" title="Share of the whole difference from the enrolment">
        {percent(movement.share)}
      </span>
    </li>
  );
}

function seconds({ fused_seconds }: WitnessesEvent): string {
  return fused_seconds === null ? "some seconds" : `${fused_seconds.toFixed(1)} s`;
}
