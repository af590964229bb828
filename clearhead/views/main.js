/** @import { TraceDocument } from "./trace.js" */
/** @import { ReportDocument } from "./report.js" */
import { App } from "./app.js";
import { attentionView } from "./attention.js";
import { draw, node, show } from "./nodes.js";
import { networkView } from "./network.js";
import { reportNodes } from "./report.js";
import { STYLE } from "./style.js";
import { Trace } from "./trace.js";
import { said } from "./words.js";

/**
 * What a host offers, as anywidget's model does: `document` is a trace or a report, `language` en,
 * ko or empty for the browser's own.
 * @typedef {{get: (name: string) => any, set: (name: string, value: any) => void,
 *   on: (event: string, listener: () => void) => void, off: (event: string, listener: () => void) => void}} Model
 */

/**
 * Draw a document into an element; returns what takes it away again.
 * @param {{model: Model, el: HTMLElement}} host
 * @returns {() => void}
 */
export function render({ model, el }) {
  const host = document.createElement("div");
  // JupyterLab's own shortcuts must not fire here: it would insert a cell at a b.
  host.setAttribute("data-lm-suppress-shortcuts", "true");
  const keep = (/** @type {Event} */ event) => event.stopPropagation();
  for (const kind of ["keydown", "keyup", "keypress"]) host.addEventListener(kind, keep);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  el.append(host);

  let language = model.get("language") || (navigator.language.startsWith("ko") ? "ko" : "en");
  /** @type {App | null} */
  let app = null;
  /** @type {any} */
  let given = null;
  const again = () => {
    root.replaceChildren();
    host.setAttribute("lang", language);
    // Edits and what is open stay where only the language or the light is another.
    const before = given === model.get("document") ? app : null;
    given = model.get("document");
    app = begin(given, root, language, (/** @type {string} */ other) => { language = other; again(); }, before);
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  model.on("change:document", again);
  dark.addEventListener("change", again);
  again();
  return () => {
    model.off("change:document", again);
    dark.removeEventListener("change", again);
    host.remove();
  };
}

/**
 * @param {TraceDocument | ReportDocument} given
 * @param {ShadowRoot} root
 * @param {string} language
 * @param {(language: string) => void} speakIn
 * @param {App | null} before
 * @returns {App | null}
 */
function begin(given, root, language, speakIn, before) {
  const fail = (/** @type {unknown} */ error) => {
    show(root, [node("p", { attributes: { role: "alert" }, text: `${said(language, "This page could not be drawn:")} ${error instanceof Error ? error.message : error}` })]);
  };
  try {
    const main = /** @type {HTMLElement} */ (draw(node("main", {})));
    root.append(main);
    const report = given.format === "clearhead report" ? /** @type {ReportDocument} */ (given) : null;
    if (report) show(main, reportNodes(report, language));
    const document = report ? report.trace : /** @type {TraceDocument} */ (given);
    if (!document) return null;
    const place = /** @type {HTMLElement} */ (draw(node("div", {})));
    main.append(place);
    const trace = before?.trace ?? new Trace(document);
    const view = document.kind === "two-layer" ? networkView(trace) : attentionView(trace);
    const app = new App(place, trace, language, view, speakIn, before);
    app.start().catch(fail);
    return app;
  } catch (error) {
    fail(error);
    return null;
  }
}

export default { render };
