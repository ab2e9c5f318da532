import react from "@vitejs/plugin-react";
import { nightferry } from "nightferry/vite";
import { defineConfig } from "vite";

const flask = process.env.FLASK_PORT ?? "5000";

export default defineConfig({
  plugins: [react(), nightferry({ api: `http://127.0.0.1:${flask}` })],
  server: { host: "127.0.0.1", port: Number(process.env.VITE_PORT ?? "5173"), strictPort: true },
});
