import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    // The server's content security policy allows no data: scripts and no inline code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `npm run dev` shows the sources against a guard that runs on its usual port.
  server: {
    proxy: {
      "/api": "http://127.0.0.1:8734",
      "/whip": "http://127.0.0.1:8734",
      "/ws": { target: "ws://127.0.0.1:8734", ws: true },
    },
  },
  test: { environment: "happy-dom", include: ["test/**/*.test.{ts,tsx}"], isolate: false },
});
