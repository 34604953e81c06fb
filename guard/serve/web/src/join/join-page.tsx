/** Publish one's own camera into a call. */

import { useEffect, useId, useRef, useState } from "preact/hooks";

import { isName, NAME_PATTERN, NAME_RULE } from "../model/seat-name";
import { Icon } from "../parts/icons";
import { listCameras, openCamera } from "./camera";
import { Publisher } from "../server/publisher";

export type JoinState = "ready" | "joining" | "live" | "interrupted" | "left" | "failed";

const STATE_TEXT: Record<JoinState, string> = {
  ready: "Not in the call",
  joining: "Joining…",
  live: "You are in the call",
  interrupted: "The connection is interrupted; waiting for it to come back",
  left: "You have left the call",
  failed: "Not in the call",
};

interface JoinPageProps {
  token: string;
  query: URLSearchParams;
}

export function JoinPage({ token, query }: JoinPageProps) {
  const call = query.get("call") ?? "main";
  const [name, setName] = useState(query.get("name") ?? "");
  const [state, setState] = useState<JoinState>("ready");
  const [problem, setProblem] = useState("");
  const publisher = useRef<Publisher | null>(null);
  /** Counts joins and leaves, so that a join notices that its person has left meanwhile. */
  const attempt = useRef(0);
  const camera = useCamera(setProblem);
  const inCall = state === "joining" || state === "live" || state === "interrupted";

  const leave = (next: JoinState) => {
    attempt.current++;
    publisher.current?.close();
    publisher.current = null;
    camera.close();
    setState(next);
  };
  const join = async () => {
    if (inCall) return;
    setProblem("");
    setState("joining");
    const mine = ++attempt.current;
    try {
      const track = (await camera.open()).getVideoTracks()[0];
      if (mine !== attempt.current) return camera.close();
      if (track === undefined) throw new Error("No camera was found: connect one, then try again");
      track.addEventListener("ended", () => fail("The camera has stopped: it was unplugged or switched off"));
      publisher.current = new Publisher(token, follow);
      await publisher.current.publish(track, call, name.trim());
    } catch (error) {
      if (mine === attempt.current) fail(error instanceof Error ? error.message : String(error));
    }
  };
  const fail = (why: string) => {
    setProblem(why);
    leave("failed");
  };
  const follow = (connection: RTCPeerConnectionState) => {
    if (connection === "connected") setState("live");
    else if (connection === "disconnected") setState("interrupted");
    else if (connection === "failed" || connection === "closed") fail("The connection to the guard failed; join again");
  };

  useEffect(() => {
    document.title = `Join ${call} · Guard`;
    const away = () => publisher.current?.close();
    window.addEventListener("pagehide", away);
    if (query.get("autojoin") === "1" && isName(name)) void join();
    return () => {
      window.removeEventListener("pagehide", away);
      away();
    };
  }, []);

  return (
    <main class="centre">
      <form
        class="card join"
        onSubmit={(event) => {
          event.preventDefault();
          if (inCall) leave("left");
          else void join();
        }}
      >
        <h1>Join the call “{call}”</h1>
        <div class="preview" data-live={state === "live"}>
          <video ref={camera.video} autoplay muted playsinline aria-label="What your camera shows" />
          {!camera.isOpen && <Icon name="camera" />}
        </div>
        <p class="join-state" data-state={state} data-testid="join-state" role="status">
          <span class="dot" aria-hidden="true" /> {STATE_TEXT[state]}
        </p>
        {problem !== "" && (
          <p class="problem" role="alert" data-testid="join-problem">
            <Icon name="warning" /> {problem}
          </p>
        )}
        <JoinFields name={name} onName={setName} camera={camera} locked={inCall} />
        <p class="notice">
          The guard watches how your face moves for as long as you are in the call, and compares it with a template if
          you agreed to be enrolled. It stores no video and takes no sound.
        </p>
        <button type="submit" class={inCall ? "danger" : "primary"} data-testid="join-button">
          <Icon name={inCall ? "leave" : "camera"} /> {inCall ? "Leave the call" : "Agree and join"}
        </button>
      </form>
    </main>
  );
}

interface JoinFieldsProps {
  name: string;
  onName: (name: string) => void;
  camera: Camera;
  locked: boolean;
}

function JoinFields({ name, onName, camera, locked }: JoinFieldsProps) {
  const nameField = useId();
  const cameraField = useId();
  return (
    <div class="fields">
      <label for={nameField}>Your name in the call</label>
      <input
        id={nameField}
        value={name}
        required
        pattern={NAME_PATTERN}
        title={NAME_RULE}
        disabled={locked}
        autocomplete="off"
        spellcheck={false}
        data-testid="join-name"
        onInput={(event) => onName(event.currentTarget.value)}
      />
      <label for={cameraField}>Camera</label>
      <div class="camera-row">
        <select
          id={cameraField}
          value={camera.chosen}
          disabled={locked}
          onChange={(event) => camera.choose(event.currentTarget.value)}
        >
          <option value="">Default camera</option>
          {camera.devices.map((device) => (
            <option key={device.deviceId} value={device.deviceId}>
              {device.label || "Camera"}
            </option>
          ))}
        </select>
        {!camera.isOpen && (
          <button type="button" onClick={() => camera.preview()}>
            Preview
          </button>
        )}
      </div>
    </div>
  );
}

type Camera = ReturnType<typeof useCamera>;

function useCamera(onProblem: (why: string) => void) {
  const video = useRef<HTMLVideoElement>(null);
  const stream = useRef<MediaStream | null>(null);
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  const [chosen, setChosen] = useState("");
  const [isOpen, setIsOpen] = useState(false);

  const close = () => {
    stream.current?.getTracks().forEach((track) => track.stop());
    stream.current = null;
    if (video.current) video.current.srcObject = null;
    setIsOpen(false);
  };
  const open = async (deviceId = chosen): Promise<MediaStream> => {
    if (stream.current?.active && deviceId === chosen) return stream.current;
    close();
    stream.current = await openCamera(deviceId);
    if (video.current) video.current.srcObject = stream.current;
    setIsOpen(true);
    // Labels are there only once a camera was permitted.
    setDevices(await listCameras());
    return stream.current;
  };
  const show = (deviceId?: string) => {
    onProblem("");
    open(deviceId).catch((error: unknown) => onProblem(error instanceof Error ? error.message : String(error)));
  };
  useEffect(() => {
    void listCameras().then(setDevices);
    return close;
  }, []);
  return {
    video,
    devices,
    chosen,
    isOpen,
    open,
    close,
    preview: () => show(),
    choose: (deviceId: string) => {
      setChosen(deviceId);
      if (isOpen) show(deviceId);
    },
  };
}
