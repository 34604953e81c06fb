// Notes when each score's message reached the dashboard, and when the picture that shows it was painted.
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const received = new Map();
  window.benchPainted = [];

  window.WebSocket = class extends WebSocket {
    constructor(...words) {
      super(...words);
      this.addEventListener("message", (message) => {
        const at = now();
        const event = JSON.parse(message.data);
        if (event.type === "score") received.set(event.seq, at);
      });
    }
  };

  // A message posted in an animation frame comes after that frame was painted.
  let isInFrame = false;
  let shown = [];
  const afterPaint = new MessageChannel();
  afterPaint.port1.onmessage = () => {
    const at = now();
    isInFrame = false;
    for (const seq of shown) {
      if (received.has(seq)) window.benchPainted.push([seq, received.get(seq), at]);
      received.delete(seq);
    }
    shown = [];
  };
  function enterFrame() {
    if (isInFrame) return;
    isInFrame = true;
    afterPaint.port2.postMessage(null);
  }
  const request = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) =>
    request((time) => {
      enterFrame();
      callback(time);
    });

  function look(changes) {
    for (const { target } of changes) {
      const seq = Number(target.dataset.seq);
      if (Number.isFinite(seq)) shown.push(seq);
    }
    // What changes outside of a frame is painted in the next one.
    if (!isInFrame) request(enterFrame);
  }
  document.addEventListener("DOMContentLoaded", () =>
    new MutationObserver(look).observe(document.body, { subtree: true, attributeFilter: ["data-seq"] }),
  );
})();
