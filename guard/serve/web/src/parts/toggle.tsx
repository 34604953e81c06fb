/** A button that is on or off, and says so to a screen reader. */

import { Icon, type IconName } from "./icons";

interface ToggleProps {
  on: boolean;
  icon: IconName;
  iconOff: IconName;
  label: string;
  hint: string;
  onToggle: () => void;
}

export function Toggle({ on, icon, iconOff, label, hint, onToggle }: ToggleProps) {
  return (
    <button type="button" class="tool" aria-pressed={on} title={hint} onClick={onToggle}>
      <Icon name={on ? icon : iconOff} />
      <span class="tool-label">{label}</span>
    </button>
  );
}
