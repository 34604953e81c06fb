/** The ways in which an alert reaches somebody who looks elsewhere: a sound and a desktop notification. */

import type { Alert } from "../model/call";

/** Alerts older than this are history that a new page reads; they make no noise, in seconds. */
export const FRESH_SECONDS = 20;

export class Alarm {
  private audio: AudioContext | null = null;

  /** Must be called from a click: browsers keep a page silent until then. */
  enableSound(): void {
    this.audio ??= new AudioContext();
    void this.audio.resume();
  }

  /** Two short falling tones for a critical alert, one for a warning. */
  sound(severity: Alert["severity"]): void {
    if (this.audio === null) return;
    const tones = severity === "critical" ? [880, 660] : [587];
    tones.forEach((hertz, index) => this.tone(hertz, index * 0.18));
  }

  notify(alert: Alert): void {
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    const note = new Notification(alert.participant ?? "Guard", { body: alert.reason, tag: alert.id });
    note.onclick = () => window.focus();
  }

  private tone(hertz: number, delay: number): void {
    if (this.audio === null) return;
    const begin = this.audio.currentTime + delay;
    const oscillator = this.audio.createOscillator();
    const gain = this.audio.createGain();
    oscillator.frequency.value = hertz;
    // Faded in and out, since a tone that is cut clicks.
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(0.2, begin + 0.02);
    gain.gain.linearRampToValueAtTime(0, begin + 0.16);
    oscillator.connect(gain).connect(this.audio.destination);
    oscillator.start(begin);
    oscillator.stop(begin + 0.17);
  }
}

/** Ask for permission to notify. False where it is refused or not offered. */
export async function requestNotifications(): Promise<boolean> {
  if (!("Notification" in window)) return false;
  return (await Notification.requestPermission()) === "granted";
}
