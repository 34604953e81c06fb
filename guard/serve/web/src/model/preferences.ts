/** What this browser remembers between visits. Everything that disturbs or watches is off until it is asked for. */

export type Theme = "system" | "light" | "dark";

export interface Preferences {
  theme: Theme;
  sound: boolean;
  notifications: boolean;
  pictures: boolean;
}

const KEY = "guard.preferences";
const THEMES: ReadonlySet<unknown> = new Set<Theme>(["system", "light", "dark"]);

export const DEFAULT_PREFERENCES: Preferences = { theme: "system", sound: false, notifications: false, pictures: false };

/** Read the stored preferences; whatever is missing or damaged takes its default. */
export function readPreferences(storage: Storage): Preferences {
  let stored: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(storage.getItem(KEY) ?? "{}");
    if (typeof value === "object" && value !== null) stored = value as Record<string, unknown>;
  } catch {
    // Damaged by hand: the defaults are fine.
  }
  return {
    theme: THEMES.has(stored["theme"]) ? (stored["theme"] as Theme) : DEFAULT_PREFERENCES.theme,
    sound: stored["sound"] === true,
    notifications: stored["notifications"] === true,
    pictures: stored["pictures"] === true,
  };
}

export function writePreferences(preferences: Preferences, storage: Storage): void {
  storage.setItem(KEY, JSON.stringify(preferences));
}
