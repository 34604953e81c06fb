/** The camera: which there are, and opening one as the guard likes it. */

export const WIDTH_PX = 640;
export const HEIGHT_PX = 360;
export const FRAMES_PER_SECOND = 30;

/** Open a camera; an empty id leaves the choice to the browser. Throws an Error with one line for people. */
export async function openCamera(deviceId: string): Promise<MediaStream> {
  if (!("mediaDevices" in navigator)) {
    throw new Error("This page has no access to cameras: open it over https or on localhost");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: {
        width: { ideal: WIDTH_PX },
        height: { ideal: HEIGHT_PX },
        frameRate: { ideal: FRAMES_PER_SECOND },
        ...(deviceId === "" ? {} : { deviceId: { exact: deviceId } }),
      },
    });
  } catch (error) {
    throw new Error(cameraProblem(error));
  }
}

export async function listCameras(): Promise<MediaDeviceInfo[]> {
  if (!("mediaDevices" in navigator)) return [];
  return (await navigator.mediaDevices.enumerateDevices()).filter(
    (device) => device.kind === "videoinput" && device.deviceId !== "",
  );
}

/** One line for each way in which a browser refuses a camera. */
export function cameraProblem(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "The camera was denied: permit it in the browser's address bar, then try again";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No camera was found: connect one, then try again";
    case "NotReadableError":
    case "AbortError":
      return "The camera is used by another program: close that program, then try again";
    default:
      return `The camera cannot be opened: ${error instanceof Error ? error.message : String(error)}`;
  }
}
