/** @import { App, View } from "./app.js" */
/** @import { Packed, Trace } from "./trace.js" */
/** @import { Node_ } from "./nodes.js" */
import { isDark } from "./colours.js";
import { clipped, isMasked, matrixOf, placeName } from "./grid.js";
import { channels, fit, hatchHidden, paintBar, paintMap } from "./maps.js";
import { action, card } from "./panels.js";
import { way } from "./network.js";
import { draw, node } from "./nodes.js";
import { numbersOf, inflated } from "./trace.js";
import { shown } from "./numerals.js";

const ROWS_SHOWN = 12;
/** Columns of rows of values: a row each for queries, keys and values. */
const FORWARD = [[["x", "normed"]], [["Wq", "bq"], ["Wk", "bk"], ["Wv", "bv"]], [["queries"], ["keys"], ["values"]], [["q"], ["k"], ["v"]],
  [["scores"], ["mask"]], [["weights"]], [["heads"], ["merged"]], [["Wo", "bo"], ["output"]]];
const BACKWARD = [[["dx_query", "dnormed_query"], ["dx_key", "dnormed_key"], ["dx_value", "dnormed_value"], ["dx", "dnormed"]], [["dWq", "dbq"], ["dWk", "dbk"], ["dWv", "dbv"]],
  [["dqueries"], ["dkeys"], ["dvalues"]], [["dq"], ["dk"], ["dv"]], [["dscores"]], [["dweights"]], [["dheads"], ["dmerged"]], [["dWo", "dbo"], ["doutput"]]];
/** @type {Record<string, string>} */
const QUESTIONS = {
  tokens: "Which symbols?", x: "What is each token?", normed: "What is each token?", q: "What does each look for?", k: "What is each found by?", v: "What does each hand over?",
  scores: "How well do they fit?", mask: "Who may look at whom?", weights: "Who looks at whom?", heads: "What was gathered?", output: "What comes out?",
  dweights: "Would more looking help?", dscores: "Which scores are to blame?", doutput: "What comes back?",
};

/** The blocks that a trace has, by what their names begin with; one without a name for the module alone. @param {Trace} trace */
function blocksOf(trace) {
  const found = new Set([...trace.packed.keys()].filter((name) => name.endsWith("weights") && !name.endsWith("dweights")).map((name) => name.slice(0, -"weights".length)));
  return [...found];
}

/**
 * Heads as small maps, one large; for the chosen query the chain from q·k to what it gathers.
 * @param {Trace} trace
 * @returns {View}
 */
export function attentionView(trace) {
  /** @type {Record<string, string>} */
  const titles = { language: "A language model", attention: "A classifier of sequences", "attention-module": "Multi-head self-attention" };
  const blocks = blocksOf(trace);
  const start = ["weights", "mask", "scores", "q", "k", "v", "heads"].map((name) => (blocks[0] ?? "") + name);
  return { title: titles[trace.document.kind] ?? "Attention", first: start, overview: (app) => attentionOverview(app, blocks) };
}

/** @param {App} app @param {string[]} blocks @returns {Node_[]} */
function attentionOverview(app, blocks) {
  const prefix = blocks[app.state.block] ?? "";
  const { trace } = app;
  const names = [...trace.packed.keys()];
  const outside = names.filter((name) => !name.includes(".") && prefix);
  const layout = [...FORWARD, ...BACKWARD].flat(2);
  const rest = names.filter((name) => prefix && name.startsWith(prefix) && !layout.includes(name.slice(prefix.length)));
  const flow = (/** @type {string[][][]} */ columns) => node("div", { class: "flow" }, columns.flatMap((rows, column) => rows.map((inside, row) => node("div", {
    class: "column", style: { "grid-column": String(column + 1), "grid-row": String(row + 1) } }, inside.map((name) => card(app, prefix + name, QUESTIONS[name]))))));
  const slot = (/** @type {string[][][]} */ columns) => app.slot(columns.flat(2).map((name) => prefix + name));
  const cards = (/** @type {string} */ heading, /** @type {string[]} */ some) => (some.length ? [node("h2", { class: "band", text: app.say(heading) }),
    node("div", { class: "flow loose" }, some.map((name) => card(app, name, QUESTIONS[name]))), app.slot(some)] : []);
  return /** @type {Node_[]} */ ([
    blocks.length > 1 ? node("div", { class: "choices", attributes: { role: "group", "aria-label": app.say("block") } }, [node("span", `${app.say("block")} `),
      ...blocks.map((name, i) => node("button", { class: "choice", text: String(Number(name.split(".")[1])), attributes: { type: "button", "aria-pressed": i === app.state.block },
        on: { click: async () => { app.state.block = i; await trace.unpack([...trace.packed.keys()].filter((one) => one.startsWith(name))); app.reopen(name); } } }))]) : null,
    trace.lengths.B > 1 ? node("label", { class: "choices" }, [node("span", `${app.say("sequence")} `), node("select", { on: { change: (/** @type {Event} */ event) => {
      app.state.sequence = Number(/** @type {HTMLSelectElement} */ (event.target).value); app.reopen(""); } } },
      Array.from({ length: trace.lengths.B }, (_, i) => node("option", { text: String(i), attributes: { value: i, selected: i === app.state.sequence } })))]) : null,
    trace.has(`${prefix}weights`) ? node("div", { class: "attention" }, [
      node("div", { class: "heads" }, [node("h2", app.say("Which head looks where?")), node("div", { class: "thumbnails" },
        Array.from({ length: trace.lengths.A }, (_, head) => thumbnail(app, `${prefix}weights`, head)))]),
      largeMap(app, prefix),
      chain(app, prefix),
    ]) : null,
    way(app.say("Forwards: from the tokens to the output"), "M2 6 H1198 M1190 1 L1198 6 L1190 11"), flow(FORWARD), slot(FORWARD),
    way(app.say("Backwards: the errors, in the same places"), "M1198 6 H2 M10 1 L2 6 L10 11"), flow(BACKWARD), slot(BACKWARD),
    ...cards("The rest of the block", rest), ...cards("Before and after the blocks", outside),
  ].filter(Boolean));
}

/** @param {App} app @param {string} name @param {number} head @returns {Node_} */
function thumbnail(app, name, head) {
  const about = app.trace.about(name);
  const here = !about.heads || about.heads.includes(head);
  const label = `${app.say("head")} ${head}`;
  return node("button", { class: `thumbnail${head === shownHead(app, name) ? " open" : ""}`, attributes: { type: "button", "aria-pressed": head === shownHead(app, name), "data-head": head, "aria-label": here ? label : `${label}, ${app.say("thumbnail only")}` },
    on: { click: () => {
      if (!here) return app.speak(app.say("This file has only head {0} in full.", (about.heads ?? []).join(", ")));
      app.state.head = head;
      app.reopen("");
      app.speak(label);
    } } }, [
    node("canvas", { attributes: { "aria-hidden": "true" }, paint: async (canvas) => {
      const context = fit(canvas, 84, 84);
      const place = { scale: /** @type {const} */ ("share"), most: 1, x: 0, y: 0, width: 84, height: 84 };
      if (here) return paintMap(context, { ...place, ...matrixOf(app, name, [app.state.sequence, head]) });
      const place_ = about.thumbnails?.heads.indexOf(head) ?? -1;
      if (!about.thumbnails || place_ < 0) return;
      const [, rows, columns] = about.thumbnails.shape;
      const bits = await thumbnailsOf(about);
      paintMap(context, { ...place, rows, columns, at: (t, s) => bits[(place_ * rows + t) * columns + s] / 255 });
    } }),
    node("span", label),
  ]);
}

/** @type {WeakMap<Packed, Promise<Float64Array>>} */
const thumbnailBits = new WeakMap();

/** The thumbnails of all heads, unpacked once. @param {Packed} about */
function thumbnailsOf(about) {
  const found = thumbnailBits.get(about) ?? inflated(about.thumbnails?.data ?? "").then((bytes) => numbersOf(bytes, "|u1"));
  thumbnailBits.set(about, found);
  return found;
}

/** The promoted head: queries down, keys across, each by its name. @param {App} app @param {string} prefix @returns {Node_} */
function largeMap(app, prefix) {
  const name = `${prefix}weights`;
  const tokens = app.trace.lengths.T;
  const head = shownHead(app, name);
  const margin = 78;
  const side = Math.max(220, Math.min(380, tokens * 26));
  const unit = side / tokens;
  /** @type {HTMLCanvasElement | null} */
  let element = null;
  /** @type {OffscreenCanvas | null} */
  let base = null;
  const paint = () => {
    if (!element) return;
    const dark = isDark();
    const context = fit(element, margin + side + 2, margin + side + 2);
    if (!base) {
      base = new OffscreenCanvas(side * 2, side * 2);
      const inside = /** @type {any} */ (base.getContext("2d"));
      const matrix = matrixOf(app, name, [app.state.sequence, head]);
      paintMap(inside, { ...matrix, scale: "share", most: 1, x: 0, y: 0, width: side * 2, height: side * 2 });
      hatchHidden(inside, matrix, side * 2, side * 2);
    }
    context.drawImage(base, margin, margin, side, side);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const ink = dark ? "#e8e8ec" : "#1b1b1f";
    const each = Math.max(1, Math.ceil(14 / unit));
    for (let i = 0; i < tokens; i++) {
      if (i % each && i !== app.state.query && i !== app.state.key) continue;
      context.fillStyle = i === app.state.query ? ink : dark ? "#a5a6b0" : "#5c5d66";
      context.textAlign = "right";
      if (!(i % each) || i === app.state.query) context.fillText(clipped(placeName(app, "T", i), 10), margin - 6, margin + (i + 0.5) * unit);
      context.save();
      context.fillStyle = i === app.state.key ? ink : dark ? "#a5a6b0" : "#5c5d66";
      context.translate(margin + (i + 0.5) * unit, margin - 6);
      context.rotate(-Math.PI / 2);
      context.textAlign = "left";
      if (!(i % each) || i === app.state.key) context.fillText(clipped(placeName(app, "S", i), 10), 0, 0);
      context.restore();
    }
    context.fillStyle = ink;
    context.textAlign = "left";
    context.fillText(`${app.say("query")} ↓  ${app.say("key")} →`, 2, 10);
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.strokeRect(margin, margin + app.state.query * unit, side, unit);
    context.strokeRect(margin + app.state.key * unit, margin + app.state.query * unit, unit, unit);
  };
  const go = (/** @type {number} */ query, /** @type {number} */ key) => {
    const inside = (/** @type {number} */ place) => Math.min(tokens - 1, Math.max(0, place));
    app.state.query = inside(query);
    app.state.key = inside(key);
    paint();
    const table = app.regions.overview.getElementsByClassName("chain")[0];
    if (table) fillChain(app, prefix, table);
    const picture = app.regions.overview.getElementsByClassName("picture")[0];
    if (picture) paintPicture(app, prefix, /** @type {HTMLCanvasElement} */ (picture));
    app.speak(spoken(app, name, head));
  };
  return node("div", { class: "large" }, [
    node("h2", `${app.say("Who looks at whom?")} ${app.say("head")} ${head}`),
    node("div", { class: "map", attributes: { tabindex: 0, role: "application", "data-attention": name, "aria-label": `${app.say("Who looks at whom?")} ${app.say("Arrow keys choose query and key, Enter opens the weight.")}` }, on: {
      focus: () => app.speak(spoken(app, name, head)),
      keydown: (/** @type {KeyboardEvent} */ event) => {
        const moves = /** @type {Record<string, number[]>} */ ({ ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] });
        if (event.key in moves) { go(app.state.query + moves[event.key][0], app.state.key + moves[event.key][1]); event.preventDefault(); }
        if (event.key === "Enter") { app.open(name, [app.state.sequence, head, app.state.query, app.state.key]); event.preventDefault(); }
      },
    } }, [node("canvas", { attributes: { "aria-hidden": "true" }, paint: (canvas) => { element = canvas; paint(); },
      on: { click: (/** @type {MouseEvent} */ event) => go(Math.floor((event.offsetY - margin) / unit), Math.floor((event.offsetX - margin) / unit)) } })]),
    node("p", { class: "bar long" }, [node("span", "0"), node("canvas", { attributes: { "aria-hidden": "true" }, paint: (canvas) => paintBar(fit(canvas, 120, 8), { scale: "share", most: 1, x: 0, y: 0, width: 120, height: 8, ink: "#888" }) }),
      node("span", "1"), node("span", { class: "note", text: app.say("shared by all heads, 0 to 1") })]),
    app.trace.document.image?.patch && app.trace.cells.has("tokens") ? node("figure", {}, [node("canvas", { class: "picture", attributes: { role: "img", "aria-label": app.say("The image in patches; the query is framed, what it looks at is purple.") }, paint: (canvas) => paintPicture(app, prefix, canvas) }),
      node("figcaption", app.say("Where on the image does it look?"))]) : null,
  ]);
}

/** @param {App} app @param {string} name */
function shownHead(app, name) {
  const { heads } = app.trace.about(name);
  return heads && !heads.includes(app.state.head) ? heads[0] : app.state.head;
}

/** @param {App} app @param {string} name @param {number} head */
function spoken(app, name, head) {
  const { query, key } = app.state;
  const masked = isMasked(app, name, [app.state.sequence, head, query, key]);
  return `${app.say("query")} ${placeName(app, "T", query)}, ${app.say("key")} ${placeName(app, "S", key)}: ${masked ? app.say("masked") : shown(app.edits.read(name, [app.state.sequence, head, query, key]))}`;
}

/** The image in patches, what the chosen query looks at in purple over it. @param {App} app @param {string} prefix @param {HTMLCanvasElement} canvas */
function paintPicture(app, prefix, canvas) {
  const picture = app.trace.document.image;
  if (!picture?.patch) return;
  const [tall, wide, depth = 1] = picture.shape;
  const [patchTall, patchWide] = picture.patch;
  const across = wide / patchWide;
  const { data } = app.edits.value("tokens");
  const numbers = app.trace.lengths.V;
  const unit = Math.min(14, Math.floor(190 / Math.max(tall, wide))) || 4;
  const context = fit(canvas, wide * unit, tall * unit);
  const [least, high] = data.reduce(([low, top], number) => [Math.min(low, number), Math.max(top, number)], [Infinity, -Infinity]);
  const most = high - least;
  const head = shownHead(app, `${prefix}weights`);
  for (let row = 0; row < tall; row++) {
    for (let column = 0; column < wide; column++) {
      const token = Math.floor(row / patchTall) * across + Math.floor(column / patchWide);
      const within = ((row % patchTall) * patchWide + (column % patchWide)) * depth;
      const grey = Math.round((255 * (channels(data, (app.state.sequence * app.trace.lengths.T + token) * numbers + within, depth) - least)) / (most || 1));
      context.fillStyle = `rgb(${grey},${grey},${grey})`;
      context.fillRect(column * unit, row * unit, unit, unit);
    }
  }
  for (let token = 0; token < app.trace.lengths.T; token++) {
    const x = (token % across) * patchWide * unit;
    const y = Math.floor(token / across) * patchTall * unit;
    context.fillStyle = `rgba(150, 70, 220, ${Math.min(0.85, app.edits.read(`${prefix}weights`, [app.state.sequence, head, app.state.query, token]))})`;
    context.fillRect(x, y, patchWide * unit, patchTall * unit);
    if (token === app.state.query) {
      context.strokeStyle = "#f0a000";
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, patchWide * unit - 2, patchTall * unit - 2);
    }
  }
}

/** @param {App} app @param {string} prefix @returns {Node_} */
function chain(app, prefix) {
  return node("div", { class: "chain", made: (element) => fillChain(app, prefix, element) });
}

/** For the chosen query: q·k, scaled, masked, its share, the value that it brings. @param {App} app @param {string} prefix @param {Element} place */
function fillChain(app, prefix, place) {
  const { query, key, dim } = app.state;
  const { T, K } = app.trace.lengths;
  const name = `${prefix}weights`;
  const head = shownHead(app, name);
  const read = (/** @type {string} */ value, /** @type {number[]} */ rest) => app.edits.read(prefix + value, [app.state.sequence, head, ...rest]);
  const link = (/** @type {string} */ value, /** @type {number[]} */ rest, /** @type {string} */ role) => node("button", { class: `term ${role}`, text: shown(read(value, rest)),
    attributes: { type: "button", title: `${prefix}${value}[${app.state.sequence},${head},${rest.join(",")}]` }, on: { click: () => app.open(prefix + value, [app.state.sequence, head, ...rest]) } });
  let keys = Array.from({ length: T }, (_, s) => s);
  if (T > ROWS_SHOWN) {
    const top = keys.filter((s) => s !== key && s !== query).sort((a, b) => read("weights", [query, b]) - read("weights", [query, a]) || a - b);
    keys = [...new Set([key, query, ...top.slice(0, ROWS_SHOWN - 2)])].sort((a, b) => a - b);
  }
  let sum = 0;
  for (let s = 0; s < T; s++) sum += read("weights", [query, s]);
  const cells = (/** @type {number} */ s) => {
    const masked = isMasked(app, name, [app.state.sequence, head, query, s]);
    let dot = 0;
    for (let k = 0; k < K; k++) dot += read("q", [query, k]) * read("k", [s, k]);
    return node("tr", { class: s === key ? "chosen" : "" }, [
      node("th", { text: placeName(app, "S", s), attributes: { scope: "row" } }), node("td", shown(dot)), node("td", {}, [link("scores", [query, s], "")]),
      node("td", { class: masked ? "hatched" : "", text: masked ? app.say("masked") : app.say("open") }),
      node("td", {}, masked ? [node("span", app.say("masked"))] : [link("weights", [query, s], "a")]), node("td", {}, [link("v", [s, dim], "v")]),
      node("td", masked ? "" : shown(read("weights", [query, s]) * read("v", [s, dim]))),
    ]);
  };
  const heading = (/** @type {string} */ text, role = "") => node("th", { class: role, text, attributes: { scope: "col" } });
  place.replaceChildren(...[
    node("h2", `${app.say("How does {0} gather?", placeName(app, "T", query))} ${app.say("head")} ${head}`),
    node("table", {}, [
      node("caption", app.say("key by key, for number {0} of the head", dim)),
      node("thead", {}, [node("tr", {}, [heading(app.say("key"), "k"), heading("q·k"), heading("/ √K"), heading(app.say("mask")), heading("softmax", "a"), heading(`v[${dim}]`, "v"), heading(app.say("weight · v"))])]),
      node("tbody", {}, keys.map(cells)),
      node("tfoot", {}, [node("tr", {}, [node("th", { text: keys.length < T ? app.say("all {0} keys", T) : app.say("sum"), attributes: { scope: "row" } }), node("td", ""), node("td", ""), node("td", ""),
        node("td", { text: shown(Number(sum.toPrecision(7))), attributes: { "data-row-sum": "" } }), node("td", ""), node("td", {}, app.trace.has(`${prefix}heads`) ? [link("heads", [query, dim], "")] : [])])]),
    ]),
    node("p", { class: "actions" }, [
      dim > 0 ? action(app.say("Number before"), () => { app.state.dim--; app.kept(place, () => fillChain(app, prefix, place)); }) : null,
      dim < K - 1 ? action(app.say("Next number"), () => { app.state.dim++; app.kept(place, () => fillChain(app, prefix, place)); }) : null,
      app.trace.steps.has(`${prefix}output`) && !isMasked(app, name, [app.state.sequence, head, query, key])
        ? action(app.say("What if it did not look at {0}?", placeName(app, "S", key)), () => whatIf(app, prefix, head, place)) : null,
    ]),
    node("div", { class: "whatif", attributes: { role: "status" } }),
  ].map(draw));
}

/** What changes in the output if the chosen weight is set to zero. @param {App} app @param {string} prefix @param {number} head @param {Element} place */
async function whatIf(app, prefix, head, place) {
  const { trace, edits, state } = app;
  const name = `${prefix}weights`;
  const steps = ["heads", "merged", "output"].flatMap((one) => trace.steps.get(prefix + one) ?? []);
  await trace.unpack(steps.flatMap((step) => Object.values(step.reads)));
  const panel = place.getElementsByClassName("whatif")[0];
  const cell = [app.state.sequence, head, state.query, state.key];
  const old = edits.value(name);
  const data = old.data.slice();
  data[trace.position(name, cell)] = 0;
  const other = (/** @type {string} */ one) => edits.value(one);
  const [before, after] = [old, { ...old, data }].map((weights) => edits.run(steps, new Map([[name, weights]]), other).get(`${prefix}output`));
  if (!before || !after) return;
  const M = trace.lengths.M;
  const row = (state.sequence * trace.lengths.T + state.query) * M;
  const moved = Array.from({ length: M }, (_, m) => ({ m, by: after.data[row + m] - before.data[row + m] })).sort((a, b) => Math.abs(b.by) - Math.abs(a.by) || a.m - b.m);
  const whole = Math.sqrt(moved.reduce((sum, { by }) => sum + by * by, 0));
  panel.replaceChildren(draw(node("p", app.say("The output of {0} would move by {1} (its length). Most of all:", placeName(app, "T", state.query), shown(whole)))),
    draw(node("ul", {}, moved.slice(0, 5).map(({ m, by }) => node("li", `output[${state.sequence},${state.query},${m}]: ${shown(before.data[row + m])} → ${shown(after.data[row + m])} (${shown(by)})`)))));
}
