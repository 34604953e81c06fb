/** Choose which enrolled person this seat is compared with; erase templates. */

import { useEffect, useState } from "preact/hooks";

import type { Participant } from "../model/call";
import { DialogEnd } from "../parts/dialog-end";
import { Modal } from "../parts/modal";
import type { TemplateInfo } from "../server/api";
import type { Session } from "./session";

interface SeatDialogProps {
  participant: Participant;
  session: Session;
  onClose: () => void;
}

export function SeatDialog({ participant, session, onClose }: SeatDialogProps) {
  const [templates, setTemplates] = useState<TemplateInfo[] | null>(null);
  const [chosen, setChosen] = useState(participant.enrolledAs);
  const [erasing, setErasing] = useState<string | null>(null);
  const [problem, setProblem] = useState("");

  const attempt = async (action: () => Promise<void>) => {
    setProblem("");
    try {
      await action();
    } catch (failure) {
      setProblem(failure instanceof Error ? failure.message : String(failure));
    }
  };
  useEffect(() => void attempt(async () => setTemplates(await session.api.templates())), [session]);

  const save = () =>
    attempt(async () => {
      if (chosen !== participant.enrolledAs) {
        await session.api.setSeat(session.call.value, participant.name, chosen);
      }
      onClose();
    });
  const erase = (name: string) =>
    attempt(async () => {
      await session.api.deleteTemplate(name);
      setErasing(null);
      if (chosen === name) setChosen(null);
      setTemplates(await session.api.templates());
    });

  return (
    <Modal title={`Seat of ${participant.name}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <fieldset class="templates">
          <legend>Compare with</legend>
          <label class="template">
            <input type="radio" name="template" checked={chosen === null} onChange={() => setChosen(null)} />
            <span>nobody (clear this seat)</span>
          </label>
          {templates?.map((template) => (
            <div class="template-row" key={template.name}>
              <label class="template">
                <input
                  type="radio"
                  name="template"
                  checked={chosen === template.name}
                  disabled={!template.usable}
                  onChange={() => setChosen(template.name)}
                />
                <span>
                  {template.name}
                  <small>{describe(template)}</small>
                </span>
              </label>
              {erasing === template.name ? (
                <button type="button" class="danger" onClick={() => void erase(template.name)}>
                  Erase for good
                </button>
              ) : (
                <button type="button" class="quiet" onClick={() => setErasing(template.name)}>
                  Erase<span class="unseen"> the template {template.name}</span>
                </button>
              )}
            </div>
          ))}
          {templates?.length === 0 && <p class="hint">Nobody is enrolled yet: enrol a participant first.</p>}
          {templates === null && problem === "" && <p class="hint">Reading the templates…</p>}
        </fieldset>
        <DialogEnd problem={problem} onClose={onClose} submit="Save" />
      </form>
    </Modal>
  );
}

function describe(template: TemplateInfo): string {
  if (!template.usable) return "made by another engine: enrol again";
  const day = (time: string) => new Date(time).toLocaleDateString();
  return `enrolled ${day(template.created)}, erased ${day(template.expires)}`;
}
