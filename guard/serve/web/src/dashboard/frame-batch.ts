/** Collects items and hands them over together, at most once per animation frame. */

/** A hidden page gets no animation frames, yet its alerts must sound, in milliseconds. */
const HIDDEN_MS = 250;

export class FrameBatch<T> {
  private items: T[] = [];
  private scheduled = false;
  private readonly flush: (items: T[]) => void;

  constructor(flush: (items: T[]) => void) {
    this.flush = flush;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.run();
    });
  }

  add(item: T): void {
    this.items.push(item);
    if (this.scheduled) return;
    this.scheduled = true;
    if (document.hidden) window.setTimeout(() => this.run(), HIDDEN_MS);
    else requestAnimationFrame(() => this.run());
  }

  private run(): void {
    if (!this.scheduled) return;
    const items = this.items;
    this.items = [];
    this.scheduled = false;
    this.flush(items);
  }
}
