/** @import { App } from "./app.js" */
/** @import { Node_ } from "./nodes.js" */
/** @import { Piece } from "./receipts.js" */
/** @import { Scale } from "./colours.js" */
import { largest, roleOf, scaleOf } from "./colours.js";
import { isOneHot } from "./edits.js";
import { axisName, cellText, matrixOf, placeName } from "./grid.js";
import { channels, ends, fit, hatchHidden, paintBar, paintMap } from "./maps.js";
import { node } from "./nodes.js";
import { shown } from "./numerals.js";
import { told } from "./words.js";

/** @param {string} name */
function shortName(name) {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** A name in the hue of its role. @param {string} name @param {string} [text] */
export function named(name, text = shortName(name)) {
  return node("span", { class: `name ${roleOf(name)}`, text });
}

/** How a gradient's check stands, in a mark and a word. @param {App} app @param {string} name @returns {Node_ | null} */
export function mark(app, name) {
  const check = app.trace.document.checks[name];
  if (!check) return null;
  const words = check.passed ? app.say("agrees with {0}", app.say(check.by)) : app.say("differs from {0}", app.say(check.by));
  return node("span", { class: check.passed ? "mark right" : "mark wrong", text: check.passed ? "✓" : "✗",
    attributes: { title: words, role: "img", "aria-label": words, "data-mark": name } });
}

/** How many cells an edit changed. @param {App} app @param {string} name */
function changedCount(app, name) {
  return app.edits.count(name);
}

/**
 * A value, small: its name, a question, a map with its colour bar, how its check stands.
 * @param {App} app
 * @param {string} name
 * @param {string} [question]
 * @returns {Node_ | null}
 */
export function card(app, name, question) {
  if (!app.trace.cells.has(name)) return null; // Large ones come a moment after the first frame.
  const shape = app.trace.shape(name);
  const about = app.trace.about(name);
  const open = app.state.open === name;
  const changed = changedCount(app, name);
  const stale = app.edits.stale.has(name);
  const data = app.edits.changes(name) ?? app.edits.value(name).data;
  const scale = changed ? "signed" : scaleOf(name, app.trace.document.kind);
  const most = largest(data);
  const [low, high] = ends(scale, most);
  const size = shape.join("×") || "1";
  const label = `${shortName(name)}: ${told(app.language, about.meaning)} ${size}`;
  return node("button", {
    class: `card${open ? " open" : ""}${app.state.open && !open ? " dim" : ""}${stale ? " stale" : ""}`,
    attributes: { type: "button", "data-value": name, "aria-label": label, "aria-expanded": open, title: told(app.language, about.meaning) },
    on: { click: () => app.open(name) },
  }, [
    node("span", { class: "head" }, [named(name), node("span", { class: "size", text: size }), mark(app, name)]),
    question || changed ? node("span", { class: "question", text: app.say(changed ? "By how much did it change?" : question ?? "") }) : null,
    shape.length ? node("canvas", { class: "map", attributes: { "aria-hidden": "true" }, paint: (canvas) => paintValue(app, name, canvas, 112, { data, scale, most }) })
      : node("span", { class: "number", text: cellText(app, name, []) }),
    shape.length ? node("span", { class: "bar small" }, [
      node("canvas", { attributes: { "aria-hidden": "true" }, paint: (canvas) => {
        paintBar(fit(canvas, 112, 5), { scale, most, x: 0, y: 0, width: 112, height: 5, ink: "#888" });
      } }), node("span", low), node("span", high),
    ]) : null,
    changed ? node("span", { class: "changed", text: app.say("{0} changed", changed), attributes: { "data-changed": name } }) : null,
    stale ? node("span", { class: "changed", text: app.say("not run again here") }) : null,
  ]);
}

/** The map of a value: an image where it is one, thumbnails of hidden units, else its matrix. @param {App} app @param {string} name @param {HTMLCanvasElement} canvas @param {number} width @param {{data: Float64Array, scale: Scale, most: number}} shades */
function paintValue(app, name, canvas, width, { data, scale, most }) {
  const shape = app.trace.shape(name);
  const picture = app.trace.document.image;
  const short = shortName(name);
  if (picture && !picture.patch && ["X", "W1", "dW1", "W1_next"].includes(short)) {
    const [tall, wide, depth = 1] = picture.shape;
    const units = short === "X" ? 1 : shape[1];
    const across = Math.ceil(Math.sqrt(units));
    const side = width / across;
    const stride = short === "X" ? 1 : units;
    const context = fit(canvas, width, Math.ceil(units / across) * side * (tall / wide));
    for (let unit = 0; unit < units; unit++) {
      paintMap(context, { rows: tall, columns: wide, scale, most, x: (unit % across) * side, y: Math.floor(unit / across) * side * (tall / wide),
        width: side - (units > 1 ? 1 : 0), height: (side - (units > 1 ? 1 : 0)) * (tall / wide),
        at: (row, column) => channels(data, (row * wide + column) * depth * stride + unit, depth, stride) });
    }
    return;
  }
  const matrix = matrixOf(app, name, app.lead(name), data);
  const height = Math.max(10, Math.min(width, (matrix.rows / matrix.columns) * width));
  const context = fit(canvas, width, height);
  paintMap(context, { ...matrix, scale, most, x: 0, y: 0, width, height });
  hatchHidden(context, matrix, width, height);
}

/** The value that is open: its words, its formula, its cells. @param {App} app @returns {Node_[]} */
export function openedNodes(app) {
  const name = app.state.open;
  if (!name || !app.grid) return [];
  const about = app.trace.about(name);
  const step = app.trace.steps.get(name);
  const axes = about.axes;
  const lead = axes.slice(0, -2);
  const tail = axes.slice(-2);
  const meaning = told(app.language, about.meaning);
  return [
    node("div", { class: "title" }, [
      node("h2", {}, [named(name, name), node("span", { class: "axes", text: `[${axes.join(",")}]` }), mark(app, name)]),
      node("button", { class: "plain", text: app.say("Close"), attributes: { type: "button" }, on: { click: () => app.up() } }),
    ]),
    node("p", { class: "words", text: meaning[0].toUpperCase() + meaning.slice(1) }),
    step ? node("p", { class: "formula" }, formulaNodes(step.formula, `${shortName(name)}[${axes.join(",")}] = `)) : null,
    ...lead.map((axis, i) => (app.trace.lengths[axis] > 1 ? node("div", { class: "choices", attributes: { role: "group", "aria-label": axisName(app, axis) } }, [
      node("span", `${axisName(app, axis)} `),
      app.trace.lengths[axis] > 24 ? node("select", { attributes: { "aria-label": axisName(app, axis) }, on: { change: (/** @type {Event} */ event) => app.choose(i, Number(/** @type {HTMLSelectElement} */ (event.target).value)) } },
        Array.from({ length: app.trace.lengths[axis] }, (_, place) => node("option", { text: placeName(app, axis, place), attributes: { value: place, selected: app.grid?.cell[i] === place } }))) : null,
      ...Array.from({ length: app.trace.lengths[axis] > 24 ? 0 : app.trace.lengths[axis] }, (_, place) => node("button", {
        class: "choice", text: placeName(app, axis, place), attributes: { type: "button", "aria-pressed": app.grid?.cell[i] === place },
        on: { click: () => app.choose(i, place) },
      })),
    ]) : null)),
    tail.length ? node("p", { class: "sides", text: tail.length > 1 ? app.say("rows: {0}; columns: {1}", axisName(app, tail[0]), axisName(app, tail[1])) : app.say("columns: {0}", axisName(app, tail[0])) }) : null,
    app.grid.nodes(),
    barNode(app, name),
    node("details", { class: "text", on: { toggle: (/** @type {Event} */ event) => app.textOpened(/** @type {HTMLDetailsElement} */ (event.target)) } }, [
      node("summary", app.say("As text")), node("div", { class: "table" }),
    ]),
  ].filter((one) => one !== null);
}

/** The colour bar under an open value. @param {App} app @param {string} name */
function barNode(app, name) {
  const changes = app.edits.changes(name);
  const scale = changes ? "signed" : scaleOf(name, app.trace.document.kind);
  const most = changes ? largest(changes) : app.grid?.most ?? 0;
  const [low, high] = ends(scale, most);
  return node("p", { class: "bar long" }, [node("span", low),
    node("canvas", { attributes: { "aria-hidden": "true" }, paint: (canvas) => paintBar(fit(canvas, 120, 8), { scale, most, x: 0, y: 0, width: 120, height: 8, ink: "#888" }) }),
    node("span", high), node("span", { class: "note", text: changes ? app.say("by how much it changed; not shared")
      : scale === "share" ? app.say("shared by all shares, 0 to 1") : app.say("this value's own scale, not shared") })]);
}

/** A formula with its names in the hues of their roles. @param {string} formula @param {string} [before] @returns {Node_[]} */
function formulaNodes(formula, before = "") {
  const words = (before + formula).split(/([A-Za-z_][A-Za-z0-9_]*)/);
  return words.map((word, i) => (i % 2 && roleOf(word) ? named(word, word) : node("span", word)));
}

/** The numbers of the slice that is open, as a table. @param {App} app @returns {Node_[]} */
export function tableNodes(app) {
  const { grid } = app;
  if (!grid) return [];
  const rows = Array.from({ length: Math.min(40, grid.numRows) }, (_, i) => i);
  const columns = Array.from({ length: Math.min(40, grid.numColumns) }, (_, j) => j);
  const axes = grid.axes.slice(-2);
  const more = grid.numRows > 40 || grid.numColumns > 40;
  return [
    node("table", {}, [
      node("caption", `${grid.name}${grid.cell.length > 2 ? `[${grid.cell.slice(0, -2).join(",")}]` : ""}`),
      node("thead", {}, [node("tr", {}, [node("td", ""), ...columns.map((j) => node("th", { text: grid.shape.length ? placeName(app, axes[axes.length - 1], j) : "", attributes: { scope: "col" } }))])]),
      node("tbody", {}, rows.map((i) => node("tr", {}, [
        node("th", { text: grid.shape.length > 1 ? placeName(app, axes[0], i) : grid.name, attributes: { scope: "row" } }),
        ...columns.map((j) => node("td", cellText(app, grid.name, grid.at(i, j)))),
      ]))),
    ]),
    more ? node("p", { class: "note", text: app.say("The first 40 rows and columns; walk the cells for the others.") }) : null,
  ].filter((one) => one !== null);
}

/** One cell's receipt. @param {App} app @returns {Node_[]} */
export function receiptNodes(app) {
  const name = app.state.open;
  if (!name || !app.grid) return [];
  const { cell } = app.grid;
  const receipt = app.receipt(name, cell);
  const place = cell.length ? `[${cell.join(",")}]` : "";
  const about = app.trace.about(name);
  const number = cellText(app, name, cell);
  const lines = [
    node("h3", { attributes: { tabindex: -1 }, class: "cell" }, [named(name, `${name}${place}`), node("span", { class: "equals", text: ` = ${number}` })]),
  ];
  if (about.origin === "autograd") lines.push(node("p", { class: "note", text: app.say("Its value is autograd's; no formula here makes it.") }));
  if (receipt) {
    lines.push(node("p", { class: "formula" }, [node("span", `${shortName(name)}${place} = `), ...receipt.symbols.map(symbolNode)]));
    lines.push(node("p", { class: "numbers", attributes: { "data-receipt": "" } }, [node("span", "= "), ...receipt.shown.map((piece) => pieceNode(app, piece))]));
    lines.push(node("p", { class: "numbers" }, [node("span", "= "), node("strong", { text: number, attributes: { "data-result": "" } })]));
    lines.push(node("p", { class: "actions" }, [
      app.state.trail.length ? action(`← ${app.state.trail[app.state.trail.length - 1][0]}`, () => app.back()) : null,
      receipt.cut ? action(app.say("All terms"), () => app.wholeReceipt(true)) : app.state.whole ? action(app.say("Fewer terms"), () => app.wholeReceipt(false)) : null,
      action(app.say("Copy the exact arithmetic"), () => app.copy(name, cell)),
    ]));
  }
  if (receipt?.missing) lines.push(node("p", { class: "note", text: app.say("This file lacks {0}; trace again and ask for it.", receipt.missing) }));
  lines.push(node("p", { class: "check", attributes: { "data-check": "" } }));
  if (app.edits.stale.has(name)) lines.push(node("p", { class: "note", text: app.say("This is as it was before the change: not run again here.") }));
  const used = app.trace.usedIn(name);
  if (used.length) lines.push(node("p", { class: "used" }, [node("span", `${app.say("used in")} `), ...used.map((one) => action(shortName(one), () => app.open(one)))]));
  if (about.origin === "given" && app.trace.position(name, cell) >= 0) lines.push(editNode(app, name, cell));
  const change = app.edits.changes(name)?.[app.trace.position(name, cell)];
  if (change) lines.push(node("p", { class: "note", text: app.say("changed by {0}", shown(change)) }));
  return lines;
}

/** @param {string} text @param {() => void} act */
export function action(text, act) {
  return node("button", { class: "plain", text, attributes: { type: "button" }, on: { click: act } });
}

/** @param {Piece} piece */
function symbolNode(piece) {
  return piece.name && roleOf(piece.name) ? named(piece.name, piece.text) : node("span", piece.text);
}

/** A number of a receipt: a button that opens the receipt of its own cell. @param {App} app @param {Piece} piece */
function pieceNode(app, piece) {
  const { name, cell } = piece;
  if (name && cell) {
    return node("button", { class: `term ${roleOf(name)}`, text: piece.text,
      attributes: { type: "button", title: `${name}[${cell.join(",")}]` }, on: { click: () => app.follow(name, cell) } });
  }
  if (piece.text === "…") {
    return node("button", { class: "term", text: "…", attributes: { type: "button", "aria-label": app.say("All terms") }, on: { click: () => app.wholeReceipt(true) } });
  }
  return node("span", piece.text);
}

/** What one can change a given cell to. @param {App} app @param {string} name @param {number[]} cell */
function editNode(app, name, cell) {
  const short = shortName(name);
  const now = app.edits.read(name, cell);
  if (short === "mask") return node("p", { class: "edit" }, [action(now ? app.say("Mask this cell") : app.say("Let it take part"), () => app.edit(name, cell, Number(!now)))]);
  if (isOneHot(app.trace, name)) {
    const last = app.trace.about(name).axes[cell.length - 1];
    return now === 1 ? node("p", { class: "note", text: app.say("Choose another cell of this row to make it that one.") }) : node("p", { class: "edit" }, [action(app.say("Make it {0}", placeName(app, last, cell[cell.length - 1])), () => app.edit(name, cell, 1))]);
  }
  /** @type {HTMLInputElement | undefined} */
  let input;
  /** @type {HTMLElement | undefined} */
  let trouble;
  const isCut = app.trace.document.values.some((value) => value.heads);
  const set = () => {
    const number = Number((input?.value ?? "").replace("−", "-"));
    if (input?.value.trim() && Number.isFinite(number)) app.edit(name, cell, number);
    else if (trouble) trouble.textContent = app.say("Give a number, such as 0.5.");
  };
  return node("p", { class: "edit" }, [
    node("label", {}, [node("span", `${app.say("Change it to")} `), node("input", { attributes: { type: "text", inputmode: "decimal", size: 9, value: String(Number(now.toPrecision(6))) },
      made: (element) => { input = element; }, on: { keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter") set(); } } })]),
    action(app.say("Change"), set),
    node("span", { class: "note", attributes: { role: "alert" }, text: isCut ? app.say("This file is cut: only part of what follows can be run again here.") : "", made: (element) => { trouble = element; } }),
  ]);
}
