/** @import { Difference } from "./edits.js" */
/** @import { Piece, Style } from "./receipts.js" */
/** @import { Node_ } from "./nodes.js" */
import { largest } from "./colours.js";
import { Edits } from "./edits.js";
import { Grid, cellText, isMasked } from "./grid.js";
import { draw, node, show } from "./nodes.js";
import { shown } from "./numerals.js";
import { openedNodes, receiptNodes, tableNodes } from "./panels.js";
import { Writing, atCell } from "./receipts.js";
import { Trace } from "./trace.js";
import { said, told } from "./words.js";

/**
 * @typedef {{first: string[], overview: (app: App) => Node_[], title: string}} View
 * @typedef {{symbols: Piece[], shown: Piece[], cut: boolean, missing: string}} PageReceipt
 */

/** What one sees of a trace, and what one has chosen to see: overview, open value, receipt. */
export class App {
  /**
   * @param {HTMLElement} place
   * @param {Trace} trace
   * @param {string} language
   * @param {View} view
   * @param {(language: string) => void} speakIn what to do when another language is chosen
   * @param {App | null} [before] whose edits and choices go on here
   */
  constructor(place, trace, language, view, speakIn, before) {
    this.trace = trace;
    this.language = language;
    this.view = view;
    this.speakIn = speakIn;
    this.edits = before?.edits ?? new Edits(trace);
    this.state = before?.state ?? { open: /** @type {string | null} */ (null), whole: false, block: 0, sequence: 0, head: 0, trail: /** @type {[string, number[]][]} */ ([]), query: (trace.lengths.T ?? 1) - 1, key: 0, dim: 0 };
    /** @type {Grid | null} */
    this.grid = null;
    this.regions = /** @type {Record<string, HTMLElement>} */ ({});
    const part = (/** @type {string} */ name, /** @type {Record<string, string>} */ attributes = {}) => node("section", { class: name, attributes,
      made: (element) => { this.regions[name] = element; } });
    this.root = /** @type {HTMLElement} */ (draw(node("div", { class: "clearhead", on: { keydown: (event) => this.key(event) } }, [
      part("header"),
      part("overview", { "aria-label": this.say("overview") }),
      node("p", { class: "live", attributes: { role: "status", "aria-live": "polite" }, made: (element) => { this.regions.live = element; } }),
    ])));
    /** What opens in place, under the row of values that it is one of. */
    this.inside = draw(node("div", { class: "inside" }, [part("opened", { "aria-label": this.say("open value") }), part("receipt", { "aria-label": this.say("receipt") })]));
    place.append(this.root);
    const cell = before?.openCell();
    if (cell && this.state.open) this.grid = new Grid(this, this.state.open, cell);
  }

  /** The cell that is open. */
  openCell() {
    return this.grid?.cell ?? null;
  }

  async start() {
    await this.trace.unpack(this.view.first);
    this.refresh("header", "overview", "opened", "receipt");
    this.root.setAttribute("data-ready", "first");
    await new Promise((resolve) => setTimeout(resolve));
    await this.trace.unpack(this.trace.packed.keys());
    this.refresh("overview");
    this.root.setAttribute("data-ready", "all");
  }

  /** @param {string} sentence @param {...(string | number)} parts */
  say(sentence, ...parts) {
    return said(this.language, sentence, ...parts);
  }

  width() {
    return this.root.clientWidth || 900;
  }

  /** The places before the last two axes that small maps show. @param {string} name @returns {number[]} */
  lead(name) {
    const { axes, heads } = this.trace.about(name);
    return axes.slice(0, -2).map((axis) => (axis === "B" ? this.state.sequence : axis === "A" ? (heads && !heads.includes(this.state.head) ? heads[0] : this.state.head) : 0));
  }

  /**
   * Where a value of a row opens: under it.
   * @param {(string | undefined)[]} names
   * @returns {Node_ | null}
   */
  slot(names) {
    return this.state.open && names.includes(this.state.open) ? node("div", { class: "slot", made: (element) => element.append(this.inside) }) : null;
  }

  /** @param {...string} names */
  refresh(...names) {
    /** @type {Record<string, () => Node_[]>} */
    const made = { header: () => this.headerNodes(), overview: () => this.view.overview(this), opened: () => openedNodes(this), receipt: () => receiptNodes(this) };
    for (const name of names) this.kept(this.regions[name], () => show(this.regions[name], made[name]()));
    if (names.includes("receipt")) this.checkSoon();
  }

  /**
   * Draw a part again without taking the focus from the button that has it.
   * @param {Element} place
   * @param {() => void} act
   */
  kept(place, act) {
    const active = /** @type {ShadowRoot} */ (this.root.getRootNode()).activeElement;
    const buttons = () => [...place.querySelectorAll("button, select")];
    const index = active ? buttons().indexOf(active) : -1;
    act();
    if (index >= 0) /** @type {HTMLElement | undefined} */ (buttons()[index])?.focus();
  }

  headerNodes() {
    const title = this.say(this.view.title);
    return [
      node("h1", title),
      ...this.trace.document.notes.map((note) => node("p", { class: "note", text: told(this.language, note) })),
      node("p", { class: "note", text: this.say("Orange is negative, blue positive, each map on a scale of its own; shares are purple, all from 0 to 1.") }),
      node("div", { class: "tools" }, [
        this.edits.any ? node("button", { class: "plain", text: this.say("Undo"), attributes: { type: "button" }, on: { click: () => this.undo() } }) : null,
        node("button", { class: "plain", text: this.language === "ko" ? "English" : "한국어", attributes: { type: "button", lang: this.language === "ko" ? "en" : "ko" },
          on: { click: () => this.speakIn(this.language === "ko" ? "en" : "ko") } }),
      ]),
    ];
  }

  /** Open a value, at a cell. @param {string} name @param {number[]} [cell] @param {boolean} [follows] along a receipt */
  async open(name, cell, follows) {
    if (!this.trace.has(name)) return;
    if (!follows) this.state.trail = [];
    await this.trace.unpack([name, ...Object.values(this.trace.steps.get(name)?.reads ?? {})]);
    const already = this.state.open === name;
    this.state.open = name;
    this.state.whole = false;
    if (!already || cell || !this.grid) {
      const { axes } = this.trace.about(name);
      const lead = this.lead(name);
      this.grid = new Grid(this, name, cell ?? axes.map((_, i) => lead[i] ?? 0));
    }
    this.refresh(...(already ? [] : ["overview"]), "opened", "receipt");
    this.focusGrid();
  }

  /** Open the cell of a number in a receipt, with a way back. @param {string} name @param {number[]} cell */
  follow(name, cell) {
    if (this.state.open && this.grid) this.state.trail.push([this.state.open, this.grid.cell]);
    return this.open(name, cell, true);
  }

  /** The receipt that one came from. */
  back() {
    const last = this.state.trail.pop();
    if (last) this.open(...last, true);
  }

  /** One level up: back along the receipts, from a receipt to the cells, from the cells to the overview. */
  up() {
    const active = /** @type {ShadowRoot} */ (this.root.getRootNode()).activeElement;
    if (active && this.regions.receipt.contains(active)) return this.focusGrid();
    if (this.state.trail.length) return this.back();
    const name = this.state.open;
    this.state.open = null;
    this.grid = null;
    this.refresh("overview", "opened", "receipt");
    for (const one of this.regions.overview.getElementsByClassName("card")) {
      if (one.getAttribute("data-value") === name) /** @type {HTMLElement} */ (one).focus();
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Escape" && this.state.open) {
      this.up();
      event.preventDefault();
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey) && this.edits.any && !(event.target instanceof HTMLInputElement)) {
      this.undo();
      event.preventDefault();
    }
  }

  /** The same value in another block, or at the head and sequence that are chosen now. @param {string} prefix */
  reopen(prefix) {
    const name = this.state.open;
    const other = name && name.includes(".") && prefix ? prefix + name.slice(name.lastIndexOf(".") + 1) : name;
    this.state.trail = [];
    if (!other || !this.grid || !this.trace.cells.has(other)) {
      this.state.open = null;
      this.grid = null;
      return this.refresh("overview", "opened", "receipt");
    }
    const lead = this.lead(other);
    this.state.open = other;
    this.grid = new Grid(this, other, this.grid.cell.map((place, i) => lead[i] ?? place));
    this.refresh("overview", "opened", "receipt");
  }

  /** Another place along an axis before the last two. @param {number} axis @param {number} place */
  choose(axis, place) {
    if (!this.grid) return;
    this.grid.cell = this.grid.cell.map((old, i) => (i === axis ? place : old));
    this.refresh("opened", "receipt");
    this.focusGrid();
  }

  focusGrid() {
    const grid = this.regions.opened.getElementsByClassName("grid")[0];
    /** @type {HTMLElement | undefined} */ (grid)?.focus();
  }

  focusReceipt() {
    const first = [...this.regions.receipt.getElementsByClassName("term"), ...this.regions.receipt.getElementsByTagName("h3")][0];
    /** @type {HTMLElement | undefined} */ (first)?.focus();
  }

  /** @param {number[]} cell */
  moved(cell) {
    this.state.whole = false;
    this.refresh("receipt");
  }

  /** @param {string} text */
  speak(text) {
    this.regions.live.textContent = text;
  }

  /** @param {HTMLDetailsElement} details */
  textOpened(details) {
    const place = details.getElementsByClassName("table")[0];
    if (details.open) show(place, tableNodes(this));
  }

  /** @param {boolean} whole */
  wholeReceipt(whole) {
    this.state.whole = whole;
    this.refresh("receipt");
    this.focusReceipt();
  }

  /**
   * The receipt of a cell as it is now, or null for a value that no step made.
   * @param {string} name
   * @param {number[]} cell
   * @returns {PageReceipt | null}
   */
  receipt(name, cell) {
    const step = this.trace.steps.get(name);
    if (!step) return null;
    let missing = "";
    const write = (/** @type {Style} */ style, whole = false) => {
      const writing = new Writing(style, (short, place) => {
        const number = this.edits.read(step.reads[short], place);
        if (Number.isNaN(number) && (!this.trace.has(step.reads[short]) || this.trace.position(step.reads[short], place) < 0)) missing = step.reads[short];
        return number;
      }, whole, (short, place) => isMasked(this, step.reads[short], place));
      return writing.pieces(atCell(step.tree, step.shape, cell, this.trace.lengths, this.trace.document.tiny));
    };
    const symbols = write("symbols");
    const absent = Object.values(step.reads).find((one) => !this.trace.has(one));
    if (absent) return { symbols, shown: [], cut: false, missing: absent };
    const link = (/** @type {Piece} */ piece) => (piece.name ? { ...piece, name: step.reads[piece.name] } : piece);
    const pieces = write("shown", this.state.whole).map(link);
    return { symbols, shown: missing ? [] : pieces, cut: pieces.some((piece) => piece.text === "…"), missing };
  }

  /** The exact arithmetic of a cell, as Python. @param {string} name @param {number[]} cell */
  exact(name, cell) {
    const step = this.trace.steps.get(name);
    if (!step) return "";
    return new Writing("exact", (short, place) => this.edits.read(step.reads[short], place))
      .text(atCell(step.tree, step.shape, cell, this.trace.lengths, this.trace.document.tiny));
  }

  /** @param {string} name @param {number[]} cell */
  async copy(name, cell) {
    try {
      const text = this.exact(name, cell);
      await navigator.clipboard.writeText(text);
      this.speak(this.say("Copied: Python, after `from math import *`."));
    } catch (error) {
      if (error instanceof RangeError) return this.speak(this.say("This receipt is too long to copy; copy those of its inputs."));
      // Without leave to use the clipboard the text is put where it can be selected.
      const area = /** @type {HTMLTextAreaElement} */ (draw(node("textarea", { class: "copy", attributes: { readonly: true, rows: 4, "aria-label": this.say("The exact arithmetic") } })));
      area.value = this.exact(name, cell);
      this.regions.receipt.append(area);
      area.select();
    }
  }

  /** @param {string} name @param {number[]} cell @param {number} number */
  async edit(name, cell, number) {
    await this.edits.change(name, cell, number);
    this.afterEdit();
    this.speak(this.say("{0} values changed", this.edits.moved.size));
  }

  undo() {
    this.edits.undo();
    this.afterEdit();
    this.speak(this.say("Undone"));
  }

  afterEdit() {
    this.refresh("header", "overview", "opened", "receipt");
    this.focusGrid();
  }

  /** The gradient's check for the cell that is open, once one has stayed a moment. */
  checkSoon() {
    clearTimeout(this.checking);
    const name = this.state.open;
    if (!name || !this.grid) return;
    const { cell } = this.grid;
    this.checking = setTimeout(async () => {
      const other = await this.edits.difference(name, cell);
      if (this.state.open !== name || this.grid?.cell !== cell) return;
      const line = [...this.regions.receipt.getElementsByClassName("check")][0];
      if (line) show(line, this.checkNodes(name, cell, other));
    }, 60);
  }

  /** The largest number in a value and in what it is made from: sums that cancel are off by the rounding of their terms. @param {string} name */
  sizeAround(name) {
    const reads = Object.values(this.trace.steps.get(name)?.reads ?? {}).filter((one) => this.trace.cells.has(one));
    return Math.max(...[name, ...reads].map((one) => largest(this.edits.value(one).data)));
  }

  /** @param {string} name @param {number[]} cell @param {Difference | null} other @returns {Node_[]} */
  checkNodes(name, cell, other) {
    const check = this.trace.document.checks[name];
    const place = this.trace.position(name, cell);
    const isWrong = !this.edits.any && (check?.wrong ?? []).includes(place);
    if (other === null) return isWrong ? [node("span", { class: "mark wrong", text: `✗ ${this.say("differs from {0}", this.say(check.by))}` })] : [];
    const number = this.edits.read(name, cell);
    const right = !isWrong && isNear(number, other, this.sizeAround(name), this.trace.document.epsilon);
    return [
      node("span", `${this.say("analytic")} ${cellText(this, name, cell)}   ${this.say("finite difference")} ${shown(other.slope)} `),
      node("span", { class: right ? "mark right" : "mark wrong", text: right ? "✓" : "✗", attributes: { role: "img", "data-cell-mark": "",
        "aria-label": right ? this.say("agrees with {0}", this.say("central differences")) : this.say("differs from {0}", this.say("central differences")) } }),
      node("span", right && Math.abs(number - other.slope) > 2e-3 * Math.abs(other.slope) ? ` ${this.say("but for rounding")}` : ""),
    ];
  }
}

/** Whether a recorded gradient is its difference but for the rounding of its dtype: `Trace.near` in Python. @param {number} number @param {Difference} other @param {number} most @param {number} epsilon */
function isNear(number, other, most, epsilon) {
  const relative = Math.max(1e-5, Math.min(0.05, 1e4 * epsilon));
  return Math.abs(number - other.slope) <= 1e-9 + other.noise + relative * Math.abs(other.slope) + 20 * epsilon * most;
}
