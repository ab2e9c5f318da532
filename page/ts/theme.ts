// The colours of toasts and dashboard. An app sets the variables `--nightferry-…`; the values here are their defaults.

const COLOURS = {
  // name: [light, dark]
  background: ["#f5f3ed", "#0e1628"],
  surface: ["#fffefb", "#15203a"],
  text: ["#172036", "#e7ecf8"],
  quiet: ["#586176", "#a3b0cb"],
  line: ["#dcd6c8", "#2b395f"],
  control: ["#8b8f9c", "#65749b"],
  accent: ["#2a4ea6", "#97b6ff"],
  "on-accent": ["#ffffff", "#0e1628"],
  good: ["#2b744a", "#7bcda0"],
  warn: ["#8a5000", "#f3bb62"],
  bad: ["#ab2b2b", "#ff9d92"],
} as const;

/** The rules that give `selector` the colours, as `--nf-…`: the app's own, or those of the browser's light or dark scheme. */
export function colours(selector: string): string {
  const declared = (scheme: 0 | 1) =>
    Object.entries(COLOURS)
      .map(([name, values]) => `--nf-${name}:var(--nightferry-${name},${values[scheme]});`)
      .join("");
  return `${selector}{color-scheme:var(--nightferry-color-scheme,light dark);${declared(0)}
--nf-radius:var(--nightferry-radius,10px);
--nf-font:var(--nightferry-font,14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif)}
@media(prefers-color-scheme:dark){${selector}{${declared(1)}}}`;
}

/** Gives a document or a shadow root these rules. A Content-Security-Policy that forbids inline styles allows them. */
export function adopt(root: Document | ShadowRoot, css: string): void {
  const page = root.ownerDocument ?? (root as Document);
  const Sheet = page.defaultView?.CSSStyleSheet;
  if (!Sheet) return;
  const sheet = new Sheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
