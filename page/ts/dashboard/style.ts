// The dashboard's looks. Its own width decides how many columns there are, not the window's.

import { colours } from "../theme.js";

export const STYLE = `${colours(":host")}
:host{display:block;container-type:inline-size;font:var(--nf-font);color:var(--nf-text)}
:host([hidden]){display:none}
*{box-sizing:border-box}
[hidden]{display:none!important}
.dashboard{display:grid;grid-template-columns:minmax(0,1fr);gap:12px;padding:12px;background:var(--nf-background);border-radius:var(--nf-radius)}
section{min-width:0;padding:14px 16px;background:var(--nf-surface);border:1px solid var(--nf-line);border-radius:var(--nf-radius)}
h2{margin:0 0 10px;font-size:.86em;font-weight:600;letter-spacing:.04em;text-transform:uppercase;color:var(--nf-quiet)}
p{margin:0;overflow-wrap:anywhere}
small,.quiet{font-size:.9em;color:var(--nf-quiet)}
dl{margin:0;display:grid;gap:8px}
dt{font-size:.86em;color:var(--nf-quiet)}
dd{margin:0;font-variant-numeric:tabular-nums}
.bad{color:var(--nf-bad)}

.state{min-height:3.4em}
.state .title{display:flex;align-items:center;gap:8px;margin-block-end:2px;font-size:1.3em}
.state p{max-width:75ch}
.dot{width:.62em;height:.62em;border-radius:50%;background:var(--tone);box-shadow:0 0 0 4px color-mix(in srgb,var(--tone) 22%,transparent)}
[data-state=up-to-date]{--tone:var(--nf-good)}
[data-state=sending]{--tone:var(--nf-accent)}
[data-state=saved]{--tone:var(--nf-warn)}
[data-state=paused],[data-state=needs-you]{--tone:var(--nf-bad)}
.decisions:has(>:is(nightferry-conflicts,nightferry-refusals):not([data-empty])){display:grid;gap:12px;margin-block-start:12px}
.decisions>p:empty{display:none}
progress{display:block;width:100%;height:6px;margin-block-start:8px;accent-color:var(--nf-accent)}
.facts{grid-template-columns:repeat(auto-fit,minmax(96px,1fr));margin-block-start:12px;padding-block-start:12px;border-block-start:1px solid var(--nf-line)}
.facts dd{font-weight:600}

button{font:inherit;min-height:36px;padding:0 14px;color:var(--nf-text);background:none;border:1px solid var(--nf-control);border-radius:7px;cursor:pointer}
button:hover{border-color:var(--nf-text)}
button.first{color:var(--nf-on-accent);background:var(--nf-accent);border-color:var(--nf-accent)}
button.first:hover{filter:brightness(1.1)}
button[aria-busy=true]{cursor:progress;opacity:.65}
button[aria-disabled=true]{cursor:default;opacity:.5}
:focus-visible{outline:2px solid var(--nf-accent);outline-offset:2px}
.buttons{display:flex;flex-wrap:wrap;gap:8px}
.result{margin-block-start:10px;font-size:.93em;color:var(--nf-quiet)}
.result:empty{display:none}
.result[data-state=done]{color:var(--nf-good)}
.result[data-state=failed]{color:var(--nf-bad)}

.tiles{grid-template-columns:repeat(auto-fit,minmax(84px,1fr));gap:12px}
.tiles dd{font-size:1.55em;font-weight:600;line-height:1.2}
figure{margin:14px 0 0}
figcaption{margin-block-end:6px;font-size:.9em;color:var(--nf-quiet)}
.plot{position:relative;padding-inline-end:48px;border-block-end:1px solid var(--nf-control)}
.plot svg{display:block;width:100%;height:96px}
.plot line{stroke:var(--nf-line);stroke-width:1;vector-effect:non-scaling-stroke}
.plot rect{fill:var(--nf-accent)}
.plot rect:hover{fill:var(--nf-text)}
.scale{position:absolute;inset-block:0;inset-inline-end:0;width:42px;font-size:.8em;color:var(--nf-quiet)}
.scale span{position:absolute;inset-inline-start:0;line-height:1;transform:translateY(-50%);white-space:nowrap}
.scale span:last-child{transform:none}
table{width:100%;margin-block-start:14px;border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{margin-block-end:4px;text-align:start;font-size:.9em;color:var(--nf-quiet)}
th,td{padding:5px 6px;text-align:end;font-weight:400;border-block-end:1px solid var(--nf-line);vertical-align:baseline}
thead th{font-size:.86em;color:var(--nf-quiet)}
th:first-child{padding-inline-start:0;text-align:start;overflow-wrap:anywhere}
td:last-child,thead th:last-child{padding-inline-end:0}
td .bad{display:block;font-size:.9em}
table + p{margin-block-start:10px}

form{max-width:440px}
.check,.field{display:grid;gap:0 10px;align-items:center;margin-block-end:10px}
.check{grid-template-columns:18px minmax(0,1fr)}
.field{grid-template-columns:minmax(0,1fr) 120px}
.field input{grid-area:1/2/3/3}
.field small{grid-area:2/1}
.check small{grid-column:2}
input[type=checkbox]{width:18px;height:18px;margin:0;accent-color:var(--nf-accent)}
input[type=number]{width:100%;min-height:36px;padding:0 8px;font:inherit;font-variant-numeric:tabular-nums;text-align:end;color:inherit;background:var(--nf-background);border:1px solid var(--nf-control);border-radius:7px}
input[aria-invalid=true]{border-color:var(--nf-bad);box-shadow:0 0 0 1px var(--nf-bad)}

.present{padding:10px 12px;border-inline-start:4px solid var(--nf-bad);border-radius:4px;background:color-mix(in srgb,var(--nf-bad) 9%,transparent)}
.present + p + ol:not(:empty){margin-block-start:12px}
ol{display:grid;gap:8px;max-height:320px;margin-block:0;padding:0;overflow:auto;list-style:none}
ol:empty{display:none}
li{display:grid;grid-template-columns:minmax(72px,max-content) minmax(0,1fr);gap:0 10px;font-size:.93em}
li time{color:var(--nf-quiet);font-variant-numeric:tabular-nums}
li span{overflow-wrap:anywhere}
li small{grid-column:2}

@container(min-width:760px){
.dashboard{grid-template-columns:minmax(0,3fr) minmax(300px,2fr);grid-template-rows:auto auto auto 1fr;gap:14px;padding:16px}
.connection{grid-column:1/3}
.operations{grid-column:1}
.metrics{grid-column:1;grid-row:3/5}
.auto-sync{grid-area:2/2/4/3}
.errors{grid-area:4/2/5/3}
}
@media(prefers-reduced-motion:no-preference){[data-tone=busy] .dot{animation:pulse 1.2s ease-in-out infinite alternate}}
@keyframes pulse{to{opacity:.45}}
@media(forced-colors:active){.dot{border:2px solid}.plot rect{fill:CanvasText}}`;
