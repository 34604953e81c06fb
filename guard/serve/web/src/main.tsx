/** Start: find the token, then show the dashboard, the join page or the page that taps a call. */

import { batch, signal } from "@preact/signals";
import { render } from "preact";
import "uplot/dist/uPlot.min.css";

import { Dashboard } from "./dashboard/dashboard";
import { Session } from "./dashboard/session";
import { JoinPage } from "./join/join-page";
import { isName } from "./model/seat-name";
import { SignIn } from "./parts/sign-in";
import { Api, ApiError } from "./server/api";
import { forgetToken, keepToken, takeToken } from "./server/token";
import { TapPage } from "./tap/tap-page";
import "./styles/index.css";

const query = new URLSearchParams(window.location.search);
const page = window.location.pathname.replace(/\/+$/, "").split("/").pop();
/** These publish, which the join token allows; the dashboard needs the other one. */
const publishes = page === "join" || page === "tap";
const token = signal<string | null>(takeToken(window.location, history, sessionStorage));
const session = signal<Session | null>(null);
const problem = signal("");

function refused(): void {
  session.value?.close();
  forgetToken(sessionStorage);
  batch(() => {
    session.value = null;
    token.value = null;
    problem.value = "This token was not accepted. A guard makes a new one each time it starts, unless one is set.";
  });
}

/** Try the token before anything is shown with it. */
async function connect(candidate: string): Promise<void> {
  const api = new Api(candidate);
  try {
    // The API knows nothing of the join token; whoever publishes hears from the guard when they do.
    if (!publishes) await api.status();
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return refused();
    // A guard that is away for the moment is no reason to ask for the token again: the event socket keeps trying.
  }
  keepToken(candidate, sessionStorage);
  token.value = candidate;
  if (publishes) return;
  const call = query.get("call");
  session.value = new Session(api, call !== null && isName(call) ? call : null, refused);
}

function App() {
  if (token.value === null) return <SignIn problem={problem.value} onToken={(text) => void connect(text)} />;
  if (page === "join") return <JoinPage token={token.value} query={query} />;
  if (page === "tap") return <TapPage token={token.value} query={query} />;
  return session.value && <Dashboard session={session.value} />;
}

const root = document.getElementById("app");
if (root) render(<App />, root);
if (token.value !== null && !publishes) void connect(token.value);
