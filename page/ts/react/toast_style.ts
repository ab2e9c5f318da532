import { adopt, colours } from "../theme.js";

const REGION = ".nightferry-toasts";

const CSS = `${colours(REGION)}
${REGION}{position:fixed;inset-block-end:var(--nightferry-toasts-bottom,0px);inset-inline-end:0;z-index:var(--nightferry-toasts-z-index,2147483000);box-sizing:border-box;
display:flex;flex-direction:column;gap:8px;width:min(420px,100vw);max-height:calc(100dvh - var(--nightferry-toasts-bottom,0px));padding:16px;overflow:auto;pointer-events:none;
font:var(--nf-font);color:var(--nf-text)}
${REGION} *{box-sizing:border-box}
${REGION}-list{display:flex;flex-direction:column;gap:8px}
${REGION}-list:empty{display:none}
.nightferry-toast{display:grid;grid-template-columns:auto minmax(0,1fr) auto;gap:2px 10px;padding:12px 8px 12px 14px;pointer-events:auto;
background:var(--nf-surface);border:1px solid var(--nf-line);border-inline-start:4px solid var(--nf-bad);border-radius:var(--nf-radius);
box-shadow:0 8px 28px rgb(10 17 34/.22);animation:nightferry-toast .18s ease-out}
.nightferry-toast[data-kind=over]{border-inline-start-color:var(--nf-good)}
.nightferry-toast svg{width:18px;height:18px;margin-block-start:1px;color:var(--nf-bad)}
.nightferry-toast[data-kind=over] svg{color:var(--nf-good)}
.nightferry-toast p{margin:0;align-self:center;overflow-wrap:anywhere;overflow:hidden;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:10}
.nightferry-toast small{grid-column:2;font-size:.88em;color:var(--nf-quiet)}
${REGION} button{font:inherit;color:var(--nf-text);background:var(--nf-surface);border:1px solid var(--nf-control);border-radius:6px;
min-height:32px;padding:0 12px;cursor:pointer}
${REGION} button:hover{border-color:var(--nf-text)}
${REGION} button:focus-visible{outline:2px solid var(--nf-accent);outline-offset:2px}
.nightferry-toast button{grid-column:3;grid-row:1;width:32px;min-height:32px;margin-block:-6px;padding:0;border-color:transparent;background:none;color:var(--nf-quiet)}
.nightferry-toast button svg{width:14px;height:14px;margin:0;vertical-align:-2px;color:inherit!important}
${REGION}-rest{display:flex;align-items:center;justify-content:space-between;gap:12px;padding:6px 6px 6px 14px;pointer-events:auto;
background:var(--nf-surface);border:1px solid var(--nf-line);border-radius:var(--nf-radius)}
@keyframes nightferry-toast{from{opacity:0;transform:translateY(8px)}}
@media(prefers-reduced-motion:reduce){.nightferry-toast{animation:none}}
@media(forced-colors:active){.nightferry-toast{border:2px solid}}`;

const styled = new WeakSet<Node>();

/** Styles the toasts of the document or shadow root that this element is in. */
export function styleToasts(region: HTMLElement | null): void {
  const root = region?.getRootNode() as Document | ShadowRoot | undefined;
  if (!root?.adoptedStyleSheets || styled.has(root)) return;
  styled.add(root);
  adopt(root, CSS);
}
