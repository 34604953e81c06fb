/** Asks for the token where the address did not carry one. */

import { useId, useState } from "preact/hooks";

import { Icon } from "./icons";

interface SignInProps {
  /** Why the last token was not accepted; empty at first. */
  problem: string;
  onToken: (token: string) => void;
}

export function SignIn({ problem, onToken }: SignInProps) {
  const [token, setToken] = useState("");
  const field = useId();
  return (
    <main class="centre">
      <form
        class="card sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          onToken(token.trim());
        }}
      >
        <Icon name="verified" />
        <h1>Connect to the guard</h1>
        <p>
          <code>guard serve</code> prints a link that holds the token when it starts. Open that link, or paste the token
          here. It stays in this tab.
        </p>
        <label for={field}>Token</label>
        <input
          id={field}
          type="password"
          autocomplete="off"
          required
          value={token}
          data-testid="token-field"
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        {problem !== "" && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary" data-testid="token-submit">
          Connect
        </button>
      </form>
    </main>
  );
}
