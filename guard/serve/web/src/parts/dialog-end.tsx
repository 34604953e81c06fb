/** How a form in a dialog ends: what went wrong, if anything, then Cancel and the button that submits. */

import { Icon } from "./icons";

interface DialogEndProps {
  problem: string;
  onClose: () => void;
  submit: string;
  testId?: string;
}

export function DialogEnd({ problem, onClose, submit, testId }: DialogEndProps) {
  return (
    <>
      {problem !== "" && (
        <p class="problem" role="alert">
          <Icon name="warning" /> {problem}
        </p>
      )}
      <div class="actions">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class="primary" data-testid={testId}>
          {submit}
        </button>
      </div>
    </>
  );
}
