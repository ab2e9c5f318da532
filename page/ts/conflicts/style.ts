// The looks of conflicts and refusals. The element's own width decides whether fields are a table or stacked, not the window's.

import { colours } from "../theme.js";

export const STYLE = `${colours(":host")}
:host{display:block;container-type:inline-size;font:var(--nf-font);color:var(--nf-text)}
:host([hidden]){display:none}
*{box-sizing:border-box}
[hidden]{display:none!important}
h2,h3,h4,p,blockquote,dl,dd{margin:0;overflow-wrap:anywhere}
.list{padding:12px;background:var(--nf-background);border-radius:var(--nf-radius)}
:host([data-empty]) .list{padding:0}
h2{margin-block-end:8px;font-size:1.1em}
h3{font-size:1.15em}
h4{margin-block:12px 4px;font-size:1em}
:is(h2,h3,.said):focus{outline:none}
:is(h2,h3,.said):focus-visible{outline:2px solid var(--nf-accent);outline-offset:2px}
.said:empty{outline:none}
.said:not(:empty){margin-block-end:8px}
.news:not(:empty){padding:6px 10px;border-inline-start:4px solid var(--nf-warn);background:color-mix(in srgb,var(--nf-warn) 9%,transparent)}
.cards{display:grid;gap:12px;grid-template-columns:minmax(0,1fr)}
article{display:grid;gap:10px;grid-template-columns:minmax(0,1fr);padding:14px 16px;background:var(--nf-surface);border:1px solid var(--nf-line);border-radius:var(--nf-radius)}
.story,.quiet{color:var(--nf-quiet)}
blockquote{padding:8px 12px;border-inline-start:4px solid var(--nf-bad);background:color-mix(in srgb,var(--nf-bad) 9%,transparent)}

.fields{display:grid;grid-template-columns:minmax(0,1fr)}
.row{display:grid;grid-template-columns:minmax(0,1fr);gap:6px 12px;padding-block:10px;border-block-start:1px solid var(--nf-line)}
.head{display:none}
.label{font-weight:600;overflow-wrap:anywhere}
.who{display:inline-flex;align-items:center;gap:8px;min-height:28px;color:var(--nf-quiet);cursor:pointer}
span.who{cursor:default}
.who input{width:18px;height:18px;margin:0;accent-color:var(--nf-accent);flex:none}
.who:has(:checked){color:var(--nf-text);font-weight:600}
.cell{min-width:0}
.cell .value{display:block;padding:4px 8px;border:1px solid transparent;border-radius:6px}
.cell:is(.local,.remote) .value{border-color:var(--nf-line);cursor:pointer}
.field[data-choice=local] .local .value,.field[data-choice=remote] .remote .value{border-color:var(--nf-accent);box-shadow:0 0 0 1px var(--nf-accent)}
.value{overflow-wrap:anywhere;white-space:pre-wrap}
.value.code{font:.9em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.value.none{font-style:italic;color:var(--nf-quiet)}
.long{display:block;max-height:14em;overflow:auto}
.value .rest{font-style:italic;color:var(--nf-quiet)}
mark{color:inherit;background:color-mix(in srgb,var(--nf-warn) 26%,transparent);border-radius:3px}
.by-hand{display:grid;gap:4px}
:is(input[type=text],textarea){width:100%;min-height:36px;padding:6px 8px;font:inherit;color:inherit;background:var(--nf-background);border:1px solid var(--nf-control);border-radius:7px}
textarea{resize:vertical}
[aria-invalid=true]{border-color:var(--nf-bad);box-shadow:0 0 0 1px var(--nf-bad)}
[readonly]{color:var(--nf-quiet)}
.problem{color:var(--nf-bad)}
.ways{display:grid;gap:4px;justify-items:start}

details{border-block-start:1px solid var(--nf-line)}
summary{padding-block:10px;color:var(--nf-quiet);cursor:pointer}
.parts{display:grid;gap:6px;padding-block-end:8px}
.parts div{display:grid;gap:0 12px;grid-template-columns:minmax(0,1fr)}
dt{color:var(--nf-quiet);overflow-wrap:anywhere}

.end{position:sticky;inset-block-end:0;display:flex;flex-wrap:wrap;align-items:center;gap:8px 14px;padding-block:10px;background:var(--nf-surface);border-block-start:1px solid var(--nf-line)}
.copy{display:flex;align-items:center;gap:8px;width:100%;cursor:pointer}
.copy input{width:18px;height:18px;margin:0;accent-color:var(--nf-accent);flex:none}
.outcome{flex:1 1 14em;min-width:0}
.buttons{display:flex;flex-wrap:wrap;align-items:center;gap:8px}
button{font:inherit;min-height:36px;padding:0 14px;color:var(--nf-text);background:none;border:1px solid var(--nf-control);border-radius:7px;cursor:pointer}
button:hover{border-color:var(--nf-text)}
button.first{color:var(--nf-on-accent);background:var(--nf-accent);border-color:var(--nf-accent)}
button.first:hover{filter:brightness(1.1)}
button.danger{color:var(--nf-bad);border-color:var(--nf-bad)}
button[aria-busy=true]{cursor:progress;opacity:.65}
:focus-visible{outline:2px solid var(--nf-accent);outline-offset:2px}
.mend{display:grid;gap:4px;grid-template-columns:minmax(0,1fr)}
.mend .buttons{margin-block-start:8px}

@container(min-width:700px){
.row{grid-template-columns:minmax(0,3fr) repeat(3,minmax(0,4fr))}
.head{display:grid;padding-block:0 4px;border:0;font-size:.86em;color:var(--nf-quiet)}
.field .cell:is(.local,.remote,.before){display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 8px;align-content:start}
.field .cell:is(.local,.remote,.before)>.who span,.field .before>.who{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.field .before{grid-template-columns:minmax(0,1fr)!important}
.field{grid-template-rows:auto 1fr}
.field .label{grid-area:1/1}
.field .local{grid-area:1/2/3/3}
.field .remote{grid-area:1/3/3/4}
.field .before{grid-area:1/4/3/5}
.field .hand{grid-area:2/1}
.by-hand{grid-area:3/2/4/5}
.parts div{grid-template-columns:minmax(0,3fr) minmax(0,12fr)}
}
@media(forced-colors:active){.field[data-choice=local] .local .value,.field[data-choice=remote] .remote .value{outline:2px solid}}`;
