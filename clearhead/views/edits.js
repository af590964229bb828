/** @import { Cells, StepInfo } from "./trace.js" */
/** A slope, and by how much rounding may have it off. @typedef {{slope: number, noise: number}} Difference */
import { Evaluation, size } from "./evaluate.js";
import { Trace } from "./trace.js";

const STEP = 1e-3;
const MOST_WORK = 5e7; // Multiplications for one difference, a fraction of a second.

/**
 * A trace whose given values can be changed. Every step that depends on a changed value runs again,
 * in float64, from its formula; what changed is what differs from the same formulas run on the
 * values as they were. Values that autograd made cannot be run again here: they, and what depends
 * on them, are stale while something before them is changed.
 */
export class Edits {
  /** @param {Trace} trace */
  constructor(trace) {
    this.trace = trace;
    /** Each edit: the value's name and its numbers before and after. @type {{name: string, cells: Cells}[]} */
    this.done = [];
    /** The formulas run on the values as they were. @type {Map<string, Cells>} */
    this.before = new Map();
    /** The same with the edits. @type {Map<string, Cells>} */
    this.after = new Map();
    /** @type {Set<string>} */
    this.stale = new Set();
    /** @type {Map<string, {by: Float64Array, count: number}>} */
    this.moved = new Map();
  }

  get any() {
    return this.done.length > 0;
  }

  /** Every step that can be run again, in order: all its inputs are given, or made by such a step. */
  runnable() {
    const known = new Set([...this.trace.packed.values()].filter((value) => value.origin !== "step" && !value.heads).map((value) => value.name));
    const found = [];
    for (const step of this.trace.steps.values()) {
      const there = Object.values(step.reads).every((name) => known.has(name));
      if (there) {
        known.add(step.name);
        found.push(step);
      }
    }
    return found;
  }

  /**
   * Everything that `names` lead to, themselves included.
   * @param {Iterable<string>} names
   * @param {boolean} [backward] also through steps of the backward pass
   */
  dependents(names, backward = true) {
    const changed = new Set(names);
    for (const step of this.trace.steps.values()) {
      if ((backward || step.part === "forward") && Object.values(step.reads).some((name) => changed.has(name))) changed.add(step.name);
    }
    return changed;
  }

  /**
   * The steps run in order on given values; `fixed` are not run but taken as they are.
   * @param {StepInfo[]} steps
   * @param {Map<string, Cells>} fixed
   * @param {(name: string) => Cells} [other] values that no step here makes
   * @returns {Map<string, Cells>}
   */
  run(steps, fixed, other = (name) => this.trace.value(name)) {
    const made = new Map(fixed);
    const { lengths, document } = this.trace;
    for (const step of steps) {
      if (made.has(step.name)) continue;
      const value = (/** @type {string} */ short) => made.get(step.reads[short]) ?? other(step.reads[short]);
      made.set(step.name, new Evaluation(value, lengths, document.tiny).result(step.tree, step.shape));
    }
    return made;
  }

  /**
   * Change one cell of a given value; for a row of a one-hot value the whole row.
   * @param {string} name
   * @param {number[]} cell
   * @param {number} number
   */
  async change(name, cell, number) {
    await this.trace.unpack(this.trace.packed.keys());
    const old = this.value(name);
    const data = old.data.slice();
    const place = this.trace.position(name, cell);
    if (isOneHot(this.trace, name)) {
      const length = old.shape[old.shape.length - 1];
      data.fill(0, place - (place % length), place - (place % length) + length);
    }
    data[place] = number;
    this.done.push({ name, cells: { ...old, data } });
    this.recompute();
  }

  undo() {
    this.done.pop();
    this.recompute();
  }

  recompute() {
    this.after = new Map();
    this.stale = new Set();
    this.moved.clear();
    if (!this.any) return;
    const steps = this.runnable();
    if (!this.before.size) this.before = this.run(steps, new Map());
    const edited = new Map(this.done.map((edit) => [edit.name, edit.cells]));
    const forward = this.dependents(edited.keys(), false);
    const lost = [...this.trace.packed.values()].filter((value) => value.origin === "autograd").map((value) => value.name);
    if ([...forward].some((name) => this.trace.steps.has(name))) this.stale = this.dependents(lost);
    const again = this.dependents(edited.keys());
    const fixed = new Map(edited);
    for (const [name, cells] of this.before) if (!again.has(name)) fixed.set(name, cells);
    this.after = this.run(steps.filter((step) => !this.stale.has(step.name)), fixed);
    for (const name of again) if (!this.after.has(name)) this.stale.add(name);
    this.compare();
  }

  /**
   * A value as it is now: recorded, or with the edits.
   * @param {string} name
   * @returns {Cells}
   */
  value(name) {
    return (this.moved.has(name) && this.after.get(name)) || this.trace.value(name);
  }

  /** How many cells of a value are changed. @param {string} name */
  count(name) {
    return this.moved.get(name)?.count ?? 0;
  }

  /**
   * By how much each cell of a value is changed; null where none is.
   * @param {string} name
   * @returns {Float64Array | null}
   */
  changes(name) {
    return this.moved.get(name)?.by ?? null;
  }

  /** What differs from the formulas run on the values as they were. */
  compare() {
    this.moved.clear();
    for (const [name, after] of this.after) {
      const before = this.before.get(name) ?? this.trace.value(name);
      if (after === before) continue;
      const by = after.data.map((number, i) => (Object.is(number, before.data[i]) ? 0 : number - before.data[i]));
      const count = by.reduce((sum, change) => sum + Number(change !== 0), 0);
      if (count) this.moved.set(name, { by, count });
    }
  }

  /**
   * One cell as it is now; NaN where the file does not have it.
   * @param {string} name
   * @param {number[]} cell
   */
  read(name, cell) {
    if (!this.trace.has(name)) return NaN;
    const place = this.trace.position(name, cell);
    return place < 0 ? NaN : this.value(name).data[place];
  }

  /** What is differentiated: the loss, or the sum of output ⊙ doutput. @param {Map<string, Cells>} made */
  target(made) {
    const [name, weights] = this.trace.document.target;
    const cells = made.get(name) ?? this.trace.value(name);
    if (!weights) return cells.data[0];
    const factors = this.value(weights).data;
    return cells.data.reduce((sum, number, i) => sum + number * factors[i], 0);
  }

  /**
   * The slope of the target along one cell of a value, by central differences of the forward
   * formulas; null where the file does not have what they need.
   * @param {string} gradient
   * @param {number[]} cell
   * @returns {Promise<Difference | null>}
   */
  async difference(gradient, cell) {
    const dot = gradient.lastIndexOf(".") + 1;
    if (gradient[dot] !== "d" || this.stale.has(gradient)) return null;
    const name = gradient.slice(0, dot) + gradient.slice(dot + 1);
    if (!this.trace.has(name) || this.trace.position(name, cell) < 0) return null;
    const { target } = this.trace.document;
    const changed = this.dependents([name], false);
    const steps = this.runnable().filter((step) => changed.has(step.name) && step.name !== name);
    if (!changed.has(target[0]) || steps.length < changed.size - 1 || this.work(steps) > MOST_WORK) return null;
    await this.trace.unpack([...steps.flatMap((step) => Object.values(step.reads)), name, ...target]);
    const old = this.value(name);
    const place = this.trace.position(name, cell);
    const run = (/** @type {number} */ by) => {
      const data = old.data.slice();
      data[place] += by;
      return this.run(steps, new Map([[name, { ...old, data }]]), (other) => this.value(other));
    };
    const at = (/** @type {number} */ by) => this.target(run(by));
    // A shorter step where it moves what follows by more than itself, as large inputs do.
    const [still, near] = [run(0), run(1e-6)];
    let moved = 1e-6;
    for (const [other, { data }] of near) {
      const from = still.get(other);
      if (from && other !== target[0]) moved = data.reduce((most, number, i) => Math.max(most, Math.abs(number - from.data[i]) || 0), moved);
    }
    const longest = (STEP * 1e-6) / moved;
    const slope = (/** @type {number} */ step) => (at(step) - at(-step)) / (2 * step);
    return { slope: (4 * slope(longest / 2) - slope(longest)) / 3, noise: (1e-14 * Math.max(1, Math.abs(this.target(still)))) / longest };
  }

  /** Roughly how many multiplications steps take. @param {StepInfo[]} steps */
  work(steps) {
    return steps.reduce((sum, step) => sum + size(this.trace.shape(step.name)) * Math.max(...Object.values(step.reads).map((name) => {
      const shape = this.trace.shape(name);
      return shape[shape.length - 1] ?? 1;
    })), 0);
  }
}

/** Whether each row of a value has a single 1; of a classifier tokens are any numbers. @param {Trace} trace @param {string} name */
export function isOneHot(trace, name) {
  return ["Y", "target"].includes(name) || (name === "tokens" && trace.document.kind === "language");
}
