/** @import { TraceDocument } from "./trace.js" */
/** @import { Node_ } from "./nodes.js" */
import { largest } from "./colours.js";
import { channels, fit, paintBar, paintMap } from "./maps.js";
import { node } from "./nodes.js";
import { shown } from "./numerals.js";
import { inflated, numbersOf } from "./trace.js";
import { said } from "./words.js";

/**
 * @typedef {{shape: number[], dtype: string, data: string}} Image
 * @typedef {{index: number, label: string, guess: string, share: number, image: Image | null}} Sample
 * @typedef {{format: string, version: number, kind: string, set: string, history: Record<string, number[]>,
 *   scores: {labels: string[], confusion: number[][], accuracy: number, loss: number, count: number} | null,
 *   samples: Sample[], units: Image | null, trace: TraceDocument | null, sample: Sample | null}} ReportDocument
 */

const WIDE = 360;
const TALL = 200;

/**
 * What a training led to: curves, what is taken for what, the surest errors, hidden units.
 * @param {ReportDocument} report
 * @param {string} language
 * @returns {Node_[]}
 */
export function reportNodes(report, language) {
  const say = (/** @type {string} */ sentence, /** @type {(string | number)[]} */ ...parts) => said(language, sentence, ...parts);
  const { history, scores, samples, units } = report;
  const epochs = history.epoch?.length ?? 0;
  return [node("div", { class: "clearhead report" }, [
    node("h1", say("Report")),
    node("p", { class: "words", text: [say("epochs: {0}", epochs), scores && `${say(report.set)}: ${say("accuracy {0} %, loss {1}, on {2} examples", scores.accuracy.toFixed(2), shown(scores.loss), scores.count)}`].filter(Boolean).join(" · ") }),
    node("h2", { class: "band", text: say("How did it learn?") }),
    node("div", { class: "curves" }, [
      curves(say, say("loss"), history.train_loss, history.validation_loss),
      curves(say, say("accuracy, in percent"), history.train_accuracy, history.validation_accuracy),
    ]),
    scores?.labels.length ? node("h2", { class: "band", text: say("What does it take for what?") }) : null,
    scores?.labels.length ? confusion(say, scores.labels, scores.confusion) : null,
    samples.length ? node("h2", { class: "band", text: say("Which samples does it confuse most?") }) : null,
    samples.length ? node("div", { class: "samples" }, samples.map((sample) => node("figure", { class: "sample" }, [
      sample.image && node("canvas", { attributes: { "aria-hidden": "true" }, paint: (canvas) => paintImages(canvas, /** @type {Image} */ (sample.image), 1, 84) }),
      node("figcaption", say("{0}, called {1} ({2} %)", sample.label, sample.guess, sample.share.toFixed(1))),
    ]))) : null,
    samples[0]?.image ? node("p", { class: "note", text: say("Each on a scale of its own: blue above the mean of the training set, orange below.") }) : null,
    units ? node("h2", { class: "band", text: say("What does each hidden unit look for?") }) : null,
    units ? node("canvas", { attributes: { role: "img", "aria-label": say("What does each hidden unit look for?") }, paint: (canvas) => paintImages(canvas, units, 0, 48) }) : null,
    units ? bar(say, units, "shared by all units") : null,
    report.trace ? node("h2", { class: "band", text: [say("One sample, traced"), report.sample && say("{0}, called {1} ({2} %)", report.sample.label, report.sample.guess, report.sample.share.toFixed(1))].filter(Boolean).join(": ") }) : null,
  ])];
}

/**
 * Two curves over the epochs, their ends in numbers.
 * @param {(sentence: string, ...parts: (string | number)[]) => string} say
 * @param {string} title
 * @param {number[] | undefined} train
 * @param {number[] | undefined} validation
 * @returns {Node_}
 */
function curves(say, title, train = [], validation = []) {
  const all = [...train, ...validation].filter(Number.isFinite);
  const low = Math.min(...all);
  const high = Math.max(...all);
  const x = (/** @type {number} */ i) => 64 + (i / Math.max(1, train.length - 1)) * (WIDE - 132);
  const y = (/** @type {number} */ number) => 14 + (1 - (number - low) / (high - low || 1)) * (TALL - 44);
  const last = [["training", train], ["validation", validation]].filter(([, numbers]) => numbers.length);
  const line = (/** @type {number[]} */ numbers, /** @type {string} */ kind) => (numbers.length > 1 ? node("polyline", { class: `line ${kind}`, attributes: { points: numbers.map((number, i) => `${x(i).toFixed(1)},${y(number).toFixed(1)}`).join(" ") } }) : null);
  const dot = (/** @type {number[]} */ numbers, /** @type {string} */ kind) => (numbers.length === 1 ? node("circle", { class: `dot ${kind}`, attributes: { cx: x(0), cy: y(numbers[0]), r: 3 } }) : null);
  const text = (/** @type {string} */ words, /** @type {number} */ left, /** @type {number} */ top, anchor = "start") => node("text", { text: words, attributes: { x: left, y: top, "text-anchor": anchor } });
  const label = `${title}: ${last.map(([name, numbers]) => `${say(/** @type {string} */ (name))} ${shown(/** @type {number[]} */ (numbers)[0])} → ${shown(/** @type {number[]} */ (numbers)[numbers.length - 1])}`).join("; ")}`;
  if (!all.length) return node("p", { class: "note", text: title });
  const ends = last.map(([name, numbers]) => ({ name: /** @type {string} */ (name), end: y(/** @type {number[]} */ (numbers)[numbers.length - 1]) }));
  if (ends.length > 1 && Math.abs(ends[0].end - ends[1].end) < 13) ends[1].end = ends[0].end + (ends[1].end >= ends[0].end ? 13 : -13);
  return node("div", {}, [
    node("h3", title),
    node("svg", { attributes: { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img", "aria-label": label } }, [
      node("line", { class: "axis", attributes: { x1: 64, y1: TALL - 30, x2: WIDE - 68, y2: TALL - 30 } }),
      text(shown(high), 58, 18, "end"), text(shown(low), 58, TALL - 28, "end"), text("1", 64, TALL - 14, "middle"), text(String(train.length), WIDE - 68, TALL - 14, "middle"), text(say("epoch"), (WIDE - 16) / 2, TALL - 14, "middle"),
      line(train, "train"), line(validation, "validation"), dot(train, "train"), dot(validation, "validation"),
      ...ends.map(({ name, end }) => text(say(name), WIDE - 62, end + 4)),
    ]),
  ]);
}

/**
 * A row for what it is, a column for what it was called.
 * @param {(sentence: string, ...parts: (string | number)[]) => string} say
 * @param {string[]} labels
 * @param {number[][]} counts
 * @returns {Node_}
 */
function confusion(say, labels, counts) {
  return node("table", { class: "confusion" }, [
    node("caption", say("rows: what it is; columns: what it was called")),
    node("thead", {}, [node("tr", {}, [node("td", ""), ...labels.map((label) => node("th", { text: label, attributes: { scope: "col" } }))])]),
    node("tbody", {}, counts.map((row, i) => {
      const sum = row.reduce((total, count) => total + count, 0) || 1;
      return node("tr", {}, [node("th", { text: labels[i], attributes: { scope: "row" } }), ...row.map((count, j) => node("td", {
        class: i === j ? "right" : count ? "wrong" : "none", text: count ? String(count) : "·", style: i !== j && count ? { "box-shadow": `inset 0 -${Math.max(1, Math.round((12 * count) / sum))}px var(--k)` } : {},
      }))]);
    })),
  ]);
}

/**
 * The scale of images, its ends in numbers.
 * @param {(sentence: string, ...parts: (string | number)[]) => string} say
 * @param {Image} image
 * @param {string} words
 * @returns {Node_}
 */
function bar(say, image, words) {
  const most = inflated(image.data).then((bytes) => largest(numbersOf(bytes, image.dtype)));
  const end = (/** @type {number} */ sign) => node("span", { made: async (element) => { element.textContent = shown(sign * (await most)); } });
  return node("p", { class: "bar long" }, [end(-1), node("canvas", { attributes: { "aria-hidden": "true" },
    paint: (canvas) => paintBar(fit(canvas, 120, 8), { scale: "signed", most: 1, x: 0, y: 0, width: 120, height: 8, ink: "#888" }) }), end(1), node("span", { class: "note", text: say(words) })]);
}

/**
 * Images side by side, each a row of the numbers, on a signed scale that they share.
 * @param {HTMLCanvasElement} canvas
 * @param {Image} image
 * @param {number} count 0 for as many as there are
 * @param {number} side
 */
async function paintImages(canvas, image, count, side) {
  const numbers = numbersOf(await inflated(image.data), image.dtype);
  const [tall, wide, depth = 1] = image.shape;
  const each = tall * wide * depth;
  const many = count || numbers.length / each;
  const unit = side + (count ? 0 : 4);
  const room = canvas.parentElement?.clientWidth || 16 * unit;
  const across = count ? 1 : Math.max(1, Math.min(many, 16, Math.floor((room - 48) / unit)));
  const context = fit(canvas, across * unit, Math.ceil(many / across) * unit * (tall / wide));
  const most = largest(numbers);
  for (let i = 0; i < many; i++) {
    paintMap(context, { rows: tall, columns: wide, scale: "signed", most, x: (i % across) * unit, y: Math.floor(i / across) * unit * (tall / wide), width: side, height: side * (tall / wide),
      at: (row, column) => channels(numbers, i * each + (row * wide + column) * depth, depth) });
  }
}
