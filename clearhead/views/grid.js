/** @import { App } from "./app.js" */
import { colourOf, inkOn, isDark, largest, scaleOf } from "./colours.js";
import { fit, hatch, paintMap, paintNumber } from "./maps.js";
import { node } from "./nodes.js";
import { shown } from "./numerals.js";

const BOX = { width: 94, height: 24 };
const EDGE = { width: 92, height: 24 };
const MOST_ROWS = 12;
const FONT = "12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";

/** The mask of a value between queries and keys; empty for any other. @param {string} name @param {string[]} some */
function maskName(name, some = ["scores", "weights", "dscores", "dweights"]) {
  const dot = name.lastIndexOf(".") + 1;
  return some.includes(name.slice(dot)) ? `${name.slice(0, dot)}mask` : "";
}

/** Whether a share, or the error of a score, is none because its mask forbids it. @param {App} app @param {string} name @param {number[]} cell */
export function isMasked(app, name, cell) {
  const mask = maskName(name, ["weights", "dscores"]);
  return mask !== "" && app.edits.read(mask, cell) === 0;
}

/**
 * The matrix of a value at places of the axes before its last two: its number in a row and a column,
 * and whether that cell takes no part.
 * @param {App} app
 * @param {string} name
 * @param {number[]} lead
 * @param {Float64Array} [data] other numbers in the same places
 */
export function matrixOf(app, name, lead, data = app.edits.value(name).data) {
  const shape = app.trace.shape(name);
  const columns = shape[shape.length - 1] ?? 1;
  const rows = shape.length > 1 ? shape[shape.length - 2] : 1;
  const corner = (/** @type {string} */ one) => app.trace.position(one, [...lead, ...shape.slice(lead.length).map(() => 0)]);
  const start = corner(name);
  const mask = maskName(name);
  const masked = mask && app.trace.cells.has(mask) ? app.edits.value(mask).data : null;
  const from = masked ? corner(mask) : 0;
  return {
    rows,
    columns,
    at: (/** @type {number} */ row, /** @type {number} */ column) => data[start + row * columns + column],
    hidden: masked ? (/** @type {number} */ row, /** @type {number} */ column) => masked[from + row * columns + column] === 0 : undefined,
  };
}

/** What a cell's number is called: its digits, "masked", or that the file lacks it. @param {App} app @param {string} name @param {number[]} cell */
export function cellText(app, name, cell) {
  if (isMasked(app, name, cell)) return app.say("masked");
  const place = app.trace.has(name) ? app.trace.position(name, cell) : -1;
  return place < 0 ? app.say("not here") : shown(app.edits.read(name, cell));
}

/** What a place along an axis is called. @param {App} app @param {string} axis @param {number} place */
export function placeName(app, axis, place) {
  const names = app.trace.document.names[axis];
  return names ? names[place] : String(place);
}

/** What an axis is called. @param {App} app @param {string} axis */
export function axisName(app, axis) {
  /** @type {Record<string, string>} */
  const names = { N: "example", D: "feature", H: "hidden unit", C: "class", B: "sequence", T: "query", S: "key", M: "number",
    A: "head", K: "number in head", AK: "number, all heads", F: "wide unit", V: "symbol" };
  if (axis === "T" && !app.trace.document.values.some((value) => value.axes.includes("S"))) return app.say("token");
  return app.say(names[axis] ?? axis);
}

/** A matrix open to its cells: a window on it, moved by arrow keys, each cell with its digits. */
export class Grid {
  /** @param {App} app @param {string} name @param {number[]} cell */
  constructor(app, name, cell) {
    this.app = app;
    this.name = name;
    this.cell = cell;
    this.axes = app.trace.about(name).axes;
    this.shape = app.trace.shape(name);
    this.scale = scaleOf(name, app.trace.document.kind);
    /** @type {{data: Float64Array, most: number} | null} */
    this.measured = null;
    this.top = 0;
    this.left = 0;
    const space = Math.max(320, Math.min(app.width(), 1100) - 40);
    this.rows = Math.min(MOST_ROWS, this.numRows);
    this.columns = Math.max(1, Math.min(this.numColumns, Math.floor((space - EDGE.width - this.miniature) / BOX.width)));
    /** @type {HTMLCanvasElement | null} */
    this.canvas = null;
    /** @type {HTMLCanvasElement | null} */
    this.overview = null;
  }

  /** The largest size of the value as it is now. */
  get most() {
    const { data } = this.app.edits.value(this.name);
    if (this.measured?.data !== data) this.measured = { data, most: largest(data) };
    return this.measured.most;
  }

  get numRows() {
    return this.shape.length > 1 ? this.shape[this.shape.length - 2] : 1;
  }

  get numColumns() {
    return this.shape.length ? this.shape[this.shape.length - 1] : 1;
  }

  /** Whether the matrix needs a small map beside its window. */
  get miniature() {
    return this.app.width() > 600 && (this.numRows > MOST_ROWS || this.numColumns > 8) ? 136 : 0;
  }

  /** A whole cell from a place in the window's matrix. @param {number} row @param {number} column */
  at(row, column) {
    const lead = this.cell.slice(0, Math.max(0, this.shape.length - 2));
    return [...lead, ...(this.shape.length > 1 ? [row] : []), ...(this.shape.length ? [column] : [])];
  }

  get row() {
    return this.shape.length > 1 ? this.cell[this.cell.length - 2] : 0;
  }

  get column() {
    return this.shape.length ? this.cell[this.cell.length - 1] : 0;
  }

  /** The words for the cell under the cursor. */
  spoken() {
    const places = this.axes.map((axis, i) => `${axisName(this.app, axis)} ${placeName(this.app, axis, this.cell[i])}`);
    return `${this.name}[${this.cell.join(",")}] = ${cellText(this.app, this.name, this.cell)}${places.length ? `; ${places.join(", ")}` : ""}`;
  }

  nodes() {
    const label = `${this.name}, ${this.shape.join(" × ") || "1"}. ${this.app.say("Arrow keys walk cells, Enter opens one, Escape goes up.")}`;
    return node("div", { class: "grid", attributes: { tabindex: 0, role: "application", "aria-label": label, "data-grid": this.name },
      on: { keydown: (/** @type {KeyboardEvent} */ event) => this.key(event), focus: () => this.app.speak(this.spoken()) } }, [
      node("canvas", { class: "cells", attributes: { "aria-hidden": "true" }, paint: (canvas) => { this.canvas = canvas; this.paint(); },
        on: { click: (/** @type {MouseEvent} */ event) => this.click(event) } }),
      this.miniature ? node("canvas", { class: "miniature", attributes: { "aria-hidden": "true" },
        paint: (canvas) => { this.overview = canvas; this.paintOverview(); },
        on: { click: (/** @type {MouseEvent} */ event) => this.jump(event) } }) : null,
    ]);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const moves = /** @type {Record<string, [number, number]>} */ ({ ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      PageUp: [-this.rows, 0], PageDown: [this.rows, 0], Home: [0, -this.numColumns], End: [0, this.numColumns] });
    if (event.key in moves && !event.altKey && !event.metaKey && !event.ctrlKey) {
      const [down, right] = moves[event.key];
      this.move(this.row + down, this.column + right);
      event.preventDefault();
    } else if (event.key === "Enter") {
      this.app.focusReceipt();
      event.preventDefault();
    }
  }

  /** @param {number} row @param {number} column */
  move(row, column) {
    const inside = (/** @type {number} */ place, /** @type {number} */ length) => Math.min(length - 1, Math.max(0, place));
    this.cell = this.at(inside(row, this.numRows), inside(column, this.numColumns));
    this.paint();
    this.paintOverview();
    this.app.moved(this.cell);
    this.app.speak(this.spoken());
  }

  /** @param {MouseEvent} event */
  click(event) {
    const column = Math.floor((event.offsetX - EDGE.width) / BOX.width) + this.left;
    const row = Math.floor((event.offsetY - EDGE.height) / BOX.height) + this.top;
    if (event.offsetX > EDGE.width && event.offsetY > EDGE.height) this.move(row, column);
  }

  /** @param {MouseEvent} event */
  jump(event) {
    const canvas = /** @type {HTMLCanvasElement} */ (event.target);
    this.move(Math.floor((event.offsetY / canvas.clientHeight) * this.numRows), Math.floor((event.offsetX / canvas.clientWidth) * this.numColumns));
  }

  follow() {
    if (this.row < this.top) this.top = this.row;
    if (this.row >= this.top + this.rows) this.top = this.row - this.rows + 1;
    if (this.column < this.left) this.left = this.column;
    if (this.column >= this.left + this.columns) this.left = this.column - this.columns + 1;
  }

  paint() {
    if (!this.canvas) return;
    this.follow();
    const { app, rows, columns } = this;
    const dark = isDark();
    const ink = dark ? "#e8e8ec" : "#1b1b1f";
    const faint = dark ? "#a5a6b0" : "#5c5d66";
    const context = fit(this.canvas, EDGE.width + columns * BOX.width + 1, EDGE.height + rows * BOX.height + 1);
    context.font = FONT;
    context.textBaseline = "middle";
    const axes = this.axes.slice(-2);
    const wrong = new Set(app.trace.document.checks[this.name]?.wrong ?? []);
    const changes = app.edits.changes(this.name);
    const change = changes ? largest(changes) : 0;
    const point = this.point(context);
    const matrix = matrixOf(app, this.name, this.at(0, 0).slice(0, Math.max(0, this.shape.length - 2)));
    context.fillStyle = faint;
    for (let j = 0; j < columns && this.shape.length; j++) {
      context.textAlign = "center";
      context.fillText(clipped(placeName(app, axes[axes.length - 1], this.left + j), 9), EDGE.width + (j + 0.5) * BOX.width, EDGE.height / 2);
    }
    for (let i = 0; i < rows; i++) {
      context.textAlign = "right";
      context.fillStyle = faint;
      const y = EDGE.height + i * BOX.height;
      if (this.shape.length > 1) context.fillText(clipped(placeName(app, axes[0], this.top + i), 11), EDGE.width - 8, y + BOX.height / 2);
      for (let j = 0; j < columns; j++) {
        const x = EDGE.width + j * BOX.width;
        const cell = this.at(this.top + i, this.left + j);
        const place = app.trace.position(this.name, cell);
        const masked = isMasked(app, this.name, cell);
        const off = masked || (place >= 0 && matrix.hidden?.(this.top + i, this.left + j));
        const number = app.edits.read(this.name, cell);
        const moved = changes ? changes[place] : 0;
        const colour = masked ? colourOf(0, "share", 1, dark)
          : changes ? colourOf(moved, "signed", change, dark) : colourOf(number, this.scale, this.most, dark);
        context.fillStyle = `rgb(${colour.join()})`;
        context.fillRect(x, y, BOX.width - 1, BOX.height - 1);
        if (off) hatch(context, x, y, BOX.width - 1, BOX.height - 1, dark ? "#4a4b54" : "#d3d3d9");
        context.fillStyle = inkOn(colour);
        if (masked || place < 0) {
          context.textAlign = "center";
          context.fillText(cellText(app, this.name, cell), x + BOX.width / 2, y + BOX.height / 2);
        } else paintNumber(context, shown(number), x + point, y + BOX.height / 2 + 0.5);
        if (moved) triangle(context, x + BOX.width - 1, y, ink);
        if (wrong.has(place)) {
          context.strokeStyle = "#d4002a";
          context.lineWidth = 2;
          context.strokeRect(x + 1, y + 1, BOX.width - 3, BOX.height - 3);
          context.fillStyle = dark ? "#ff6b81" : "#b00020";
          context.textAlign = "right";
          context.fillText("✗", x + BOX.width - 4, y + BOX.height / 2);
        }
        if (this.top + i === this.row && this.left + j === this.column) {
          context.strokeStyle = ink;
          context.lineWidth = 2;
          context.strokeRect(x, y, BOX.width - 1, BOX.height - 1);
        }
      }
    }
  }

  /** Where in a column the points stand, so that the numbers of the window are in its middle. @param {CanvasRenderingContext2D} context */
  point(context) {
    let [whole, rest] = [1, 0];
    for (let i = 0; i < this.rows; i++) {
      for (let j = 0; j < this.columns; j++) {
        const [before, after = ""] = shown(this.app.edits.read(this.name, this.at(this.top + i, this.left + j))).split(".");
        whole = Math.max(whole, before.length);
        rest = Math.max(rest, after.length ? after.length + 1 : 0);
      }
    }
    const letter = context.measureText("0").width;
    return (BOX.width - (whole + rest) * letter) / 2 + whole * letter;
  }

  paintOverview() {
    if (!this.overview) return;
    const ratio = this.numRows / this.numColumns;
    const width = ratio > 1.6 ? Math.max(40, 190 / ratio) : 120;
    const height = Math.max(8, Math.min(EDGE.height + this.rows * BOX.height, width * ratio));
    const context = fit(this.overview, width, height);
    const lead = this.cell.slice(0, Math.max(0, this.shape.length - 2));
    paintMap(context, { ...matrixOf(this.app, this.name, lead), scale: this.scale, most: this.most, x: 0, y: 0, width, height });
    context.strokeStyle = isDark() ? "#fff" : "#000";
    context.lineWidth = 1.5;
    context.strokeRect((this.left / this.numColumns) * width, (this.top / this.numRows) * height,
      Math.max(3, (this.columns / this.numColumns) * width), Math.max(3, (this.rows / this.numRows) * height));
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {string} ink */
function triangle(context, x, y, ink) {
  context.fillStyle = ink;
  context.beginPath();
  context.moveTo(x - 8, y);
  context.lineTo(x, y);
  context.lineTo(x, y + 8);
  context.fill();
}

/** @param {string} text @param {number} most */
export function clipped(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
