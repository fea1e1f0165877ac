// How the page is built: into twin/static, which the server serves and the wheel ships.
import { defineConfig } from "vitest/config";

const api = process.env.BLOCKTWIN_PAGE_API ?? "http://127.0.0.1:8090";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../twin/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    // maplibre-gl alone is above Vite's default; a page served from the same machine loads it at once.
    chunkSizeWarningLimit: 1500,
  },
  worker: { format: "es" },
  server: { proxy: { "/api": { target: api, changeOrigin: false } } },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
