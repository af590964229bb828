/** @import { App, View } from "./app.js" */
/** @import { Trace } from "./trace.js" */
/** @import { Node_ } from "./nodes.js" */
import { card } from "./panels.js";
import { node } from "./nodes.js";

/** A value, the question that it answers, and the error that comes back to the same place. @type {[string, string, string, string][]} */
const PLACES = [
  ["X", "What goes in?", "", ""],
  ["W1", "Which inputs drive which unit?", "dW1", "Which weights should change?"],
  ["b1", "Where does each unit start?", "db1", "Which biases?"],
  ["z1", "How strongly is each unit driven?", "dz1", "Which drives are to blame?"],
  ["h", "How active is each unit?", "dh", "Which units are to blame?"],
  ["W2", "Which units speak for which class?", "dW2", "Which weights should change?"],
  ["b2", "Where does each class start?", "db2", "Which biases?"],
  ["z2", "What does each class score?", "dz2", "Which scores are to blame?"],
  ["y", "How sure is it?", "", ""],
  ["Y", "What is right?", "", ""],
  ["loss", "How surprised is it?", "", ""],
];
const COLUMNS = [["X"], ["W1", "b1"], ["z1"], ["h"], ["W2", "b2"], ["z2"], ["y", "Y"], ["loss", "accuracy"]];
const UPDATES = ["lr", "W1_next", "b1_next", "W2_next", "b2_next"];

/**
 * From X to the loss, left to right, and under each value the error that comes back to it.
 * @param {Trace} trace
 * @returns {View}
 */
export function networkView(trace) {
  return { title: "A two-layer network", first: [...trace.packed.keys()], overview: networkOverview };
}

/** @param {App} app @returns {Node_[]} */
function networkOverview(app) {
  /** @type {Record<string, string>} */
  const questions = { accuracy: "How often is it right?", lr: "How far?" };
  for (const [name, question, error, blame] of PLACES) Object.assign(questions, { [name]: question, [error]: blame });
  const errors = COLUMNS.map((names) => names.map((name) => PLACES.find(([one]) => one === name)?.[2] ?? ""));
  const row = (/** @type {string[][]} */ columns) => node("div", { class: "flow" }, columns.map((names) => node("div", { class: "column" },
    names.map((name) => card(app, name, questions[name] ?? "What does it become?")))));
  return /** @type {Node_[]} */ ([
    way(app.say("Forwards: from the example to the loss"), "M2 6 H1198 M1190 1 L1198 6 L1190 11"),
    row(COLUMNS), app.slot(COLUMNS.flat()),
    way(app.say("Backwards: the errors, in the same places"), "M1198 6 H2 M10 1 L2 6 L10 11"),
    row(errors), app.slot(errors.flat()),
    node("h2", { class: "band", text: app.say("One step against the gradient") }),
    row(UPDATES.map((name) => [name])), app.slot(UPDATES),
  ].filter(Boolean));
}

/** A band's heading, with an arrow that says which way its values go. @param {string} text @param {string} path @returns {Node_} */
export function way(text, path) {
  return node("div", { class: "way" }, [node("h2", text), node("svg", { attributes: { viewBox: "0 0 1200 12", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" } },
    [node("path", { attributes: { d: path, "vector-effect": "non-scaling-stroke" } })])]);
}
