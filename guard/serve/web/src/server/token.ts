/** The bearer token: taken from the address once, kept for this tab only, never left in the address bar. */

const KEY = "guard.token";

/** Take `#token=...` out of the address, if it is there, and return the token of this tab. */
export function takeToken(location: Location, history: History, storage: Storage): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const fromAddress = fragment.get("token");
  if (fromAddress === null) return storage.getItem(KEY);
  storage.setItem(KEY, fromAddress);
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest && `#${rest}`));
  return fromAddress;
}

export function keepToken(token: string, storage: Storage): void {
  storage.setItem(KEY, token);
}

export function forgetToken(storage: Storage): void {
  storage.removeItem(KEY);
}
