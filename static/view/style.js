/** How the view looks. One sheet, shared by all views; colours follow the page's colour scheme and can be overridden. */

const CSS = `
:host {
  --accent: var(--framehub-accent, light-dark(#1f5fbf, #7fb0ff));
  --ink: var(--framehub-ink, light-dark(#1c2430, #e6eaf0));
  --ink-soft: var(--framehub-ink-soft, light-dark(#5a6675, #98a3b3));
  --surface: var(--framehub-surface, light-dark(#ffffff, #1b2027));
  --surface-2: var(--framehub-surface-2, light-dark(#f1f3f6, #252b34));
  --line: var(--framehub-line, light-dark(#d5dae1, #373f4b));
  --bad: var(--framehub-bad, light-dark(#b3261e, #ff9b92));
  display: inline-flex;
  flex-direction: column;
  box-sizing: border-box;
  max-width: 100%;
  min-width: 32px;
  vertical-align: top;
  color: var(--ink);
  font: 13px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  text-align: start;
  contain: layout style;
  box-shadow: 0 0 0 1px var(--line);
}
:host([hidden]) { display: none; }
:host([fit="fill"]) { display: flex; width: 100%; height: 100%; max-width: none; }

.titlebar {
  display: flex;
  flex: none;
  align-items: center;
  gap: 2px;
  height: 32px;
  padding-inline: 10px 4px;
  box-sizing: border-box;
  background: var(--surface-2);
  border-bottom: 1px solid var(--line);
  user-select: none;
}
.title {
  flex: 1;
  overflow: hidden;
  font-weight: 600;
  text-overflow: ellipsis;
  white-space: nowrap;
}
button {
  font: inherit;
  color: inherit;
  cursor: pointer;
}
.titlebar button {
  display: grid;
  place-items: center;
  width: 26px;
  height: 26px;
  padding: 0;
  background: none;
  border: 0;
  border-radius: 5px;
}
.titlebar button:hover { background: color-mix(in srgb, var(--ink) 12%, transparent); }
.titlebar svg { width: 14px; height: 14px; fill: none; stroke: currentColor; stroke-width: 1.5; stroke-linecap: round; }
button:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }

.stage {
  position: relative;
  flex: 1 1 auto;
  min-height: 0;
  overflow: hidden;
  background: var(--framehub-stage, var(--surface-2));
  user-select: none;
  -webkit-user-select: none;
  -webkit-touch-callout: none;
}
.stage:focus { outline: none; }
.stage.interactive { touch-action: none; }
.stage:not(.interactive) { cursor: default !important; }
:host(:not([fit="fill"])) .stage.fluid { aspect-ratio: 5 / 3; min-height: 32px; }
canvas {
  position: absolute;
  inset: 0;
  display: block;
  width: 100%;
  height: 100%;
  object-fit: contain;
}
canvas.empty { visibility: hidden; }
.stage.stale canvas { opacity: .45; filter: grayscale(.6); }
/* Drawn around the picture, never over its pixels. */
:host(:focus-within) .stage.focused { outline: 2px solid var(--accent); outline-offset: 1px; overflow: visible; }
.field {
  position: absolute;
  inset: auto auto 0 0;
  width: 1px;
  height: 1px;
  padding: 0;
  border: 0;
  opacity: 0;
  outline: 0;
  pointer-events: none;
  resize: none;
}

.resizer {
  position: absolute;
  inset: auto 0 0 auto;
  width: 24px;
  height: 24px;
  padding: 0;
  background: none;
  border: 0;
  cursor: nwse-resize;
  touch-action: none;
}
.resizer svg { position: absolute; inset: auto 2px 2px auto; width: 14px; height: 14px; stroke: #3c4653; stroke-width: 1.6; stroke-linecap: round; filter: drop-shadow(0 0 .8px #fff) drop-shadow(0 0 .8px #fff); }
.resizer:hover svg, .resizer:focus-visible svg { stroke: var(--accent); }

.notice {
  position: absolute;
  inset: auto 10px 10px 10px;
  display: grid;
  grid-template-columns: auto 1fr auto auto;
  align-items: center;
  row-gap: 4px;
  width: fit-content;
  max-width: calc(100% - 20px);
  max-height: calc(100% - 20px);
  margin-inline: auto;
  padding: 7px 12px;
  box-sizing: border-box;
  overflow: auto;
  background: var(--surface);
  border: 1px solid var(--line);
  border-radius: 8px;
  box-shadow: 0 2px 10px rgb(0 0 0 / .16);
  user-select: text;
  -webkit-user-select: text;
}
.notice[hidden] { display: none; }
.notice.centred { inset: 0; width: fit-content; height: fit-content; margin: auto; max-width: min(30em, calc(100% - 20px)); }
.notice .mark { width: 8px; height: 8px; border-radius: 50%; background: var(--ink-soft); }
.notice[data-state="error"] .mark, .notice[data-state="denied"] .mark { background: var(--bad); }
.notice[data-state="busy"] .mark,
.notice[data-state="connecting"] .mark,
.notice[data-state="gone"] .mark,
.notice[data-state="disconnected"] .mark { background: var(--accent); animation: pulse 1.2s ease-in-out infinite; }
.notice[data-state="connecting"] { animation: appear .2s .4s backwards; }
.notice .text { grid-column: 2; margin-inline-start: 10px; overflow-wrap: anywhere; }
.notice details { grid-column: 1 / -1; min-width: 0; order: 9; }
.notice summary { color: var(--ink-soft); cursor: pointer; width: fit-content; }
.notice pre { margin: 6px 0 0; max-height: 14em; overflow: auto; font: 12px/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.notice button {
  margin-inline-start: 10px;
  padding: 2px 10px;
  background: var(--surface-2);
  border: 1px solid var(--line);
  border-radius: 6px;
}
.notice button:hover { border-color: var(--accent); }
@keyframes pulse { 50% { opacity: .25; } }
@keyframes appear { from { opacity: 0; } }

.badge {
  position: absolute;
  inset: 8px auto auto 8px;
  max-width: calc(100% - 16px);
  margin: 0;
  padding: 1px 9px;
  box-sizing: border-box;
  overflow: hidden;
  font-size: 11.5px;
  color: #e8edf3;
  text-overflow: ellipsis;
  white-space: nowrap;
  background: rgb(14 18 24 / .68);
  border-radius: 99px;
  pointer-events: none;
}
.badge:empty { display: none; }

.pointers { position: absolute; inset: 0; overflow: hidden; pointer-events: none; }
/* Dark in itself and light around it, so that it can be told from any picture. */
.pointer {
  --colour: oklch(52% .19 var(--hue));
  position: absolute;
  top: 0;
  left: 0;
  transition: transform 70ms linear;
  will-change: transform;
}
.pointer svg {
  position: absolute;
  top: -1px;
  left: -1px;
  width: 18px;
  height: 18px;
  fill: var(--colour);
  stroke: #fff;
  stroke-width: 1.2;
  stroke-linejoin: round;
  filter: drop-shadow(0 1px 1.5px rgb(0 0 0 / .45));
}
.pointer span {
  position: absolute;
  top: 13px;
  left: 12px;
  padding: 0 5px;
  font-size: 10.5px;
  font-weight: 600;
  line-height: 15px;
  color: #fff;
  background: var(--colour);
  border-radius: 7px;
  box-shadow: 0 0 0 1px rgb(255 255 255 / .9), 0 1px 3px rgb(0 0 0 / .45);
}
.pointer.at-edge span { left: auto; right: 2px; }

.hud {
  position: absolute;
  inset: 8px 8px auto auto;
  display: grid;
  grid-template-columns: auto auto;
  gap: 1px 12px;
  margin: 0;
  padding: 7px 10px;
  font: 11px/1.5 ui-monospace, Menlo, Consolas, monospace;
  font-variant-numeric: tabular-nums;
  color: #e8edf3;
  background: rgb(14 18 24 / .82);
  border-radius: 7px;
  pointer-events: none;
}
.hud[hidden] { display: none; }
.hud dt { color: #a9b4c2; }
/* As wide as its longest value, so that it does not jump; figures read from left to right everywhere. */
.hud dd { margin: 0; min-width: 18ch; text-align: end; direction: ltr; }
.hud .bottleneck { color: #ffb454; }

.output {
  flex: none;
  border-top: 1px solid var(--line);
  background: var(--surface);
}
.output[hidden] { display: none; }
.output header { display: flex; align-items: center; gap: 8px; padding: 3px 4px 3px 10px; color: var(--ink-soft); font-size: 12px; }
.output header span { flex: 1; }
.output header button { padding: 1px 8px; background: none; border: 1px solid transparent; border-radius: 5px; }
.output header button:hover { border-color: var(--line); }
.output pre { margin: 0; max-height: 8em; padding: 0 10px 8px; overflow: auto; font: 12px/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }

:host(.minimized) { height: auto !important; min-height: 0; }
:host(.minimized) .stage, :host(.minimized) .output { display: none; }
:host(.minimized) .titlebar { border-bottom-color: transparent; }
:host(.plain) { box-shadow: none; }
:host(.plain) :is(.titlebar, .resizer, .output, .hud, .badge, .pointers) { display: none; }

@media (prefers-reduced-motion: reduce) {
  .notice, .notice .mark { animation: none !important; }
  .pointer { transition: none; }
}
@media (forced-colors: active) { .notice, .titlebar, .badge, .hud { border: 1px solid; } }
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** A constructed sheet needs no inline style, which a content security policy may forbid. */
export function viewStyle() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
