/** Enrol the person who is in the call now: a name, their consent, then progress until the template is there. */

import { useEffect, useId, useState } from "preact/hooks";

import type { Participant } from "../model/call";
import { NAME_PATTERN, NAME_RULE } from "../model/seat-name";
import { consentStatement, consentVersion } from "../model/wording";
import { DialogEnd } from "../parts/dialog-end";
import { Icon } from "../parts/icons";
import { Modal } from "../parts/modal";
import type { Session } from "./session";
import { EnrolmentProgress } from "./tile";

interface EnrolDialogProps {
  participant: Participant;
  session: Session;
  onClose: () => void;
}

type Phase = "form" | "sent" | "running" | "done";

export function EnrolDialog({ participant, session, onClose }: EnrolDialogProps) {
  const { enrolmentProgress: progress, enrolmentError: error } = participant;
  const [phase, setPhase] = useState<Phase>(progress === null ? "form" : "running");
  const [problem, setProblem] = useState("");

  useEffect(() => {
    if (progress !== null) setPhase("running");
    else if (phase === "running") setPhase(error === "" ? "done" : "form");
  }, [progress, error, phase]);

  const call = session.call.value;
  const personModel = session.status.value?.limits.person_models ?? false;
  const attempt = async (action: () => Promise<void>) => {
    setProblem("");
    try {
      await action();
    } catch (failure) {
      setProblem(failure instanceof Error ? failure.message : String(failure));
      setPhase("form");
    }
  };
  const start = (name: string) => {
    setPhase("sent");
    const consent = {
      statement: consentStatement(name, personModel),
      given_by: name,
      text_version: consentVersion(personModel),
    };
    void attempt(() => session.api.startEnrolment(call, participant.name, name, consent));
  };
  const cancel = () =>
    void attempt(async () => {
      await session.api.cancelEnrolment(call, participant.name);
      onClose();
    });

  return (
    <Modal title={`Enrol ${participant.name}`} onClose={onClose}>
      {phase === "form" && (
        <EnrolForm
          initial={participant.enrolledAs ?? participant.name}
          seconds={session.status.value?.limits.enrolment_seconds ?? null}
          personModel={personModel}
          problem={problem || error}
          onStart={start}
          onClose={onClose}
        />
      )}
      {(phase === "sent" || phase === "running") && (
        <>
          <EnrolmentProgress progress={progress ?? 0} />
          <p class="hint">Ask them to face the camera and talk as usual. You may close this window meanwhile.</p>
          <div class="actions">
            <button type="button" onClick={cancel}>
              Stop enrolment
            </button>
            <button type="button" class="primary" onClick={onClose}>
              Close
            </button>
          </div>
        </>
      )}
      {phase === "done" && (
        <>
          <p class="done" role="status">
            <Icon name="check" /> {participant.name} is now compared with the template “{participant.enrolledAs}”.
          </p>
          <div class="actions">
            <button type="button" class="primary" onClick={onClose}>
              Close
            </button>
          </div>
        </>
      )}
    </Modal>
  );
}

interface EnrolFormProps {
  initial: string;
  seconds: number | null;
  personModel: boolean;
  problem: string;
  onStart: (name: string) => void;
  onClose: () => void;
}

function EnrolForm({ initial, seconds, personModel, problem, onStart, onClose }: EnrolFormProps) {
  const [name, setName] = useState(initial);
  const [agreed, setAgreed] = useState(false);
  const nameField = useId();
  const rule = useId();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onStart(name.trim());
      }}
    >
      <p class="hint">
        The guard learns how this person's face moves
        {seconds !== null && ` from ${Math.round(seconds)} seconds of usable video`}. Enrol only while you are sure who
        is in front of the camera.
      </p>
      <label for={nameField}>Name of the template</label>
      <input
        id={nameField}
        value={name}
        required
        pattern={NAME_PATTERN}
        title={NAME_RULE}
        autocomplete="off"
        spellcheck={false}
        aria-describedby={rule}
        data-testid="enrol-name"
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <small id={rule}>{NAME_RULE}</small>
      <label class="consent">
        <input
          type="checkbox"
          required
          checked={agreed}
          data-testid="enrol-consent"
          onChange={(event) => setAgreed(event.currentTarget.checked)}
        />
        <span>
          <q>{consentStatement(name, personModel)}</q>
          <small>Tick when this person has said so. Text version {consentVersion(personModel)}.</small>
        </span>
      </label>
      <DialogEnd problem={problem} onClose={onClose} submit="Start enrolment" testId="enrol-start" />
    </form>
  );
}
