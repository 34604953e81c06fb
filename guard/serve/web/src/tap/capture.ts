/** The picture of the tab or window in which a call goes on. */

/** Ask for a tab or window. Throws an Error with one line for people. */
export async function shareCall(): Promise<MediaStreamTrack> {
  // Capturing this very page would show the picture in the picture.
  const options = { audio: false, video: { frameRate: { ideal: 30 } }, selfBrowserSurface: "exclude" } as const;
  try {
    const [track] = (await navigator.mediaDevices.getDisplayMedia(options)).getVideoTracks();
    if (track === undefined) throw new Error("nothing was shared");
    return track;
  } catch (error) {
    throw new Error(captureProblem(error));
  }
}

/** One line for each way in which a browser refuses to share. */
export function captureProblem(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return "Nothing was shared: choose the tab or window of the call, and permit it";
    case "NotReadableError":
    case "AbortError":
      return "The system does not let the browser see that window: permit screen recording in its settings";
    default:
      return `The call cannot be shared: ${error instanceof Error ? error.message : String(error)}`;
  }
}
