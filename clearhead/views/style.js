import { roleVariables } from "./colours.js";

/** The style sheet of every view; adopted by the shadow root, since a page may allow no other. */
export const STYLE = `
:host { display: block; color-scheme: light dark; --ink: #1b1b1f; --faint: #5c5d66; --paper: #fff; --panel: #f6f6f8; --line: #d5d6dc;
  --accent: #7b3fa0; --right: #00695c; --wrong: #b00020; ${roleVariables(false)} }
@media (prefers-color-scheme: dark) { :host { --ink: #e8e8ec; --faint: #a5a6b0; --paper: #16171b; --panel: #1e1f24; --line: #3a3b44;
  --accent: #c792ea; --right: #4db6a4; --wrong: #ff6b81; ${roleVariables(true)} } }
* { box-sizing: border-box; }
.clearhead { font: 14px/1.45 system-ui, "Apple SD Gothic Neo", "Noto Sans KR", sans-serif; font-variant-numeric: tabular-nums; color: var(--ink);
  background: var(--paper); padding: 20px 24px 40px; min-width: 320px; }
h1 { font-size: 21px; margin: 0; letter-spacing: -0.01em; } h2 { font-size: 15px; margin: 0 0 6px; } h3 { font-size: 16px; margin: 0 0 8px; }
p { margin: 4px 0; } button { font: inherit; color: inherit; cursor: pointer; }
.header { position: relative; padding-right: 190px; margin-bottom: 14px; }
.tools { position: absolute; top: 0; right: 0; display: flex; gap: 8px; }
.note { color: var(--faint); font-size: 13px; }
.plain, .choice { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 2px 9px; font-size: 13px; }
.plain:hover, .choice:hover { border-color: var(--faint); }
.choice[aria-pressed="true"] { background: var(--ink); color: var(--paper); border-color: var(--ink); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.flow { display: grid; grid-template-columns: repeat(8, minmax(130px, 1fr)); gap: 10px; align-items: start; overflow-x: auto; padding: 2px; }
.flow.loose { grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); } .column { display: grid; gap: 10px; align-content: start; }
.way { display: flex; gap: 14px; align-items: center; margin: 18px 0 8px; } .way h2 { margin: 0; white-space: nowrap; }
.way svg { flex: 1; height: 12px; fill: none; stroke: var(--faint); stroke-width: 1.3; }
.band { margin: 20px 0 8px; padding-top: 10px; border-top: 1px solid var(--line); }
.card { display: grid; gap: 4px; width: 130px; align-content: start; justify-items: start; text-align: left; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 8px; } .map { transition: opacity 0.2s; }
.card:hover { border-color: var(--faint); } .card.open { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); } .card.dim .map, .card.dim .bar canvas { opacity: 0.55; }
.card.stale .map { filter: grayscale(1); }
.card .head { display: flex; flex-wrap: wrap; gap: 0 7px; max-width: 112px; overflow-wrap: anywhere; align-items: baseline; } .size { color: var(--faint); font-size: 12px; }
.question { font-size: 12px; color: var(--faint); max-width: 132px; line-height: 1.3; }
.name { font-weight: 600; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.q { color: var(--q); } .k { color: var(--k); } .v { color: var(--v); } .a { color: var(--a); }
.number { font-size: 20px; } .map, .cells, .miniature, .bar canvas { display: block; }
.map { border: 1px solid var(--line); }
.bar { display: flex; gap: 5px; align-items: center; font-size: 11px; color: var(--faint); } .bar.small { display: flex; flex-wrap: wrap; justify-content: space-between; width: 112px; gap: 1px; font-size: 10.5px; } .bar.long { margin-top: 8px; font-size: 12px; } .bar .note { font-size: 12px; margin-left: 8px; }
.mark { font-weight: 700; } .mark.right { color: var(--right); } .mark.wrong { color: var(--wrong); }
.changed { font-size: 12px; font-weight: 600; } .changed::before { content: "◥ "; }
.inside { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; margin-top: 12px; border: 1px solid var(--accent); border-radius: 10px; padding: 14px 16px; }
.title { display: flex; justify-content: space-between; align-items: start; gap: 10px; } .title h2 { font-size: 17px; } .axes, .sides { color: var(--faint); font-weight: 400; }
.title h2 .mark { margin-left: 8px; } .words { font-size: 15px; } .sides { font-size: 12px; }
.formula, .numbers, .cell { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13.5px; overflow-wrap: anywhere; }
.cell { font-size: 16px; } .equals { font-weight: 600; }
.receipt:not(:empty) { background: var(--panel); border-radius: 10px; padding: 14px 16px; } .receipt h3:focus { outline: none; }
.term { background: none; border: 0; border-bottom: 1px dotted currentColor; padding: 0; font: inherit; border-radius: 0; } .term:hover { background: var(--line); }
.actions { display: flex; gap: 8px; margin: 8px 0; flex-wrap: wrap; } .used { display: flex; gap: 6px; align-items: center; flex-wrap: wrap; }
.check { white-space: pre-wrap; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
.edit { display: flex; gap: 8px; align-items: center; margin-top: 10px; } input, select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--faint); border-radius: 6px; padding: 2px 8px; }
.grid { display: flex; gap: 16px; align-items: flex-start; border-radius: 4px; width: fit-content; max-width: 100%; } .grid:focus-visible { outline-offset: 4px; }
.miniature { border: 1px solid var(--line); margin-top: 24px; cursor: crosshair; } .cells { cursor: cell; }
.choices { display: flex; flex-wrap: wrap; gap: 5px; align-items: center; margin: 6px 0; }
table { border-collapse: collapse; font-size: 13px; } caption { text-align: left; color: var(--faint); padding: 2px 0 6px; font-size: 12px; }
th, td { padding: 2px 9px; text-align: right; font-weight: 400; white-space: nowrap; } thead th { color: var(--faint); border-bottom: 1px solid var(--line); } thead th.q { color: var(--q); } thead th.k { color: var(--k); } thead th.v { color: var(--v); } thead th.a { color: var(--a); }
tbody th { font-weight: 600; } tr.chosen { background: var(--panel); box-shadow: inset 2px 0 var(--accent); } tfoot td, tfoot th { border-top: 1px solid var(--line); font-weight: 600; }
.hatched { background: repeating-linear-gradient(45deg, transparent 0 4px, var(--line) 4px 5px); }
.text .table { overflow: auto; max-height: 420px; } summary { cursor: pointer; font-size: 13px; margin-top: 8px; }
.attention { display: grid; grid-template-columns: auto auto; justify-content: start; gap: 18px 34px; align-items: start; }
.attention .heads { grid-column: 1 / -1; } .thumbnails { display: flex; flex-wrap: wrap; gap: 8px; }
.thumbnail { display: grid; justify-items: center; gap: 3px; padding: 5px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; font-size: 12px; }
.thumbnail.open { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
figure { margin: 12px 0 0 78px; } .sample { margin: 0; } figcaption { font-size: 12px; color: var(--faint); } .large .map { border: 0; width: fit-content; } .large .bar { margin-left: 78px; }
.live { margin: 14px 0 0; min-height: 1.5em; padding: 4px 10px; font-size: 13px; background: var(--panel); border-radius: 6px; width: fit-content; max-width: 100%; } .live:empty { visibility: hidden; }
.copy { width: 100%; font: 12px ui-monospace, monospace; color: inherit; background: var(--paper); }
.curves { display: flex; flex-wrap: wrap; gap: 24px; } .curves svg { width: 360px; height: 220px; } .curves text { fill: var(--faint); font-size: 11px; } .axis { stroke: var(--line); }
.line { fill: none; stroke-width: 1.8; } .line.train { stroke: var(--q); } .line.validation { stroke: var(--k); stroke-dasharray: 5 3; } .confusion td { text-align: center; min-width: 34px; } .confusion td.right { font-weight: 700; color: var(--right); } .confusion td.wrong { font-weight: 700; } .confusion td.none { color: var(--faint); } .report { padding-bottom: 4px; } .dot.train { fill: var(--q); } .dot.validation { fill: var(--k); } .report { overflow-x: auto; } .samples { display: flex; flex-wrap: wrap; gap: 12px; } .sample { font-size: 12px; }
@media (max-width: 860px) { .way svg { display: none; } .way h2 { white-space: normal; } .attention { grid-template-columns: minmax(0, 1fr); } .clearhead { padding: 14px; } .header { padding-right: 0; } .tools { position: static; margin-top: 8px; } .chain, .grid { overflow-x: auto; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
`;
