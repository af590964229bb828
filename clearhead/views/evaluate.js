/** @import { Cells, Tree } from "./trace.js" */

/** @type {Record<string, (z: number) => number>} */
export const CELL = {
  neg: (z) => -z,
  "²": (z) => z * z,
  "√": Math.sqrt,
  "σ": (z) => 0.5 * Math.tanh(0.5 * z) + 0.5,
  exp: Math.exp,
  tanh: Math.tanh,
  gelu: (z) => 0.5 * z * (1 + erf(z / Math.SQRT2)),
};

/** @type {Record<string, (left: number, right: number) => number>} */
export const PAIR = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "⊙": (a, b) => a * b,
  "/": (a, b) => a / b,
  ">": (a, b) => Number(a > b),
  "=": (a, b) => Number(a === b),
  where: (z, allowed) => (allowed === 0 ? -Infinity : z),
};

/**
 * The error function to about 1e-15: its series near zero, a continued fraction of its rest far out.
 * @param {number} x
 * @returns {number}
 */
export function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 80; n > 0; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + fraction));
}

/** A formula's typed tree, run on values by name. Axes are in the tree; lengths come with the trace. */
export class Evaluation {
  /**
   * @param {(name: string) => Cells} value
   * @param {Record<string, number>} lengths
   * @param {number} tiny the smallest normal number of the dtype
   */
  constructor(value, lengths, tiny) {
    this.value = value;
    this.lengths = lengths;
    this.tiny = tiny;
  }

  /**
   * The numbers of a whole formula whose value has these axes.
   * @param {Tree} tree
   * @param {string[]} shape
   * @returns {Cells}
   */
  result(tree, shape) {
    const made = this.cells(tree[0] === "reshape" ? tree[2] : tree);
    return { axes: shape, shape: shape.map((axis) => this.lengths[axis]), data: made.data };
  }

  /** @param {Tree} tree @returns {Cells} */
  cells(tree) {
    const [word, axes, ...parts] = tree;
    switch (word) {
      case "value": return { ...this.value(parts[0]), axes };
      case "number": return scalar(parts[0]);
      case "axis": return scalar(this.lengths[parts[0]]);
      case "Σ": case "mean": case "argmax": case "softmax": case "norm":
        return this.over(word, axes, parts[0], this.cells(parts[1]));
      case "ᵀ": return spread(this.cells(parts[0]), axes);
      case "split": case "merge": return this.regrouped(word, axes, this.cells(parts[0]));
      case "product":
        if (parts[0][1].length && parts[1][1].length) return product(axes, this.cells(parts[0]), this.cells(parts[1]));
        return pair(PAIR["⊙"], axes, this.cells(parts[0]), this.cells(parts[1]));
      case "log": return each((z) => Math.log(Math.max(z, this.tiny)), this.cells(parts[0]));
    }
    if (word in PAIR) return pair(PAIR[word], axes, this.cells(parts[0]), this.cells(parts[1]));
    return each(CELL[word], this.cells(parts[0]));
  }

  /**
   * @param {string} word
   * @param {string[]} axes
   * @param {string[]} named
   * @param {Cells} cells
   * @returns {Cells}
   */
  over(word, axes, named, cells) {
    const kept = cells.axes.filter((axis) => !named.includes(axis));
    const rows = spread(cells, [...kept, ...named]);
    const length = size(rows.shape.slice(kept.length));
    const count = size(rows.shape.slice(0, kept.length));
    const keeps = word === "softmax" || word === "norm";
    const data = new Float64Array(keeps ? rows.data.length : count);
    for (let i = 0; i < count; i++) {
      const row = rows.data.subarray(i * length, (i + 1) * length);
      if (keeps) data.set(word === "softmax" ? softmax(row) : norm(row), i * length);
      else data[i] = word === "argmax" ? argmax(row) : total(row) / (word === "mean" ? length : 1);
    }
    if (!keeps) return { axes, shape: rows.shape.slice(0, kept.length), data };
    return spread({ axes: rows.axes, shape: rows.shape, data }, axes);
  }

  /**
   * @param {string} word
   * @param {string[]} axes
   * @param {Cells} cells
   * @returns {Cells}
   */
  regrouped(word, axes, cells) {
    const lead = cells.shape.slice(0, word === "split" ? -2 : -3);
    const { A, K } = this.lengths;
    const rows = cells.shape[cells.shape.length - 2];
    const data = new Float64Array(cells.data.length);
    const outer = size(lead);
    for (let o = 0; o < outer; o++) {
      for (let a = 0; a < A; a++) {
        for (let t = 0; t < rows; t++) {
          for (let k = 0; k < K; k++) {
            const apart = ((o * A + a) * rows + t) * K + k;
            const beside = ((o * rows + t) * A + a) * K + k;
            if (word === "split") data[apart] = cells.data[beside];
            else data[beside] = cells.data[apart];
          }
        }
      }
    }
    return { axes, shape: word === "split" ? [...lead, A, rows, K] : [...lead, rows, A * K], data };
  }
}

/** @param {number} number @returns {Cells} */
function scalar(number) {
  return { axes: [], shape: [], data: Float64Array.of(number) };
}

/** @param {number[]} shape @returns {number} */
export function size(shape) {
  return shape.reduce((count, length) => count * length, 1);
}

/** @param {Float64Array} row @returns {number} */
function total(row) {
  let sum = 0;
  for (const number of row) sum += number;
  return sum;
}

/** @param {Float64Array} row @returns {number} */
function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

/** @param {Float64Array} row @returns {Float64Array} */
function softmax(row) {
  let top = -Infinity;
  for (const z of row) top = Math.max(top, z);
  const powers = row.map((z) => Math.exp(z - (top === -Infinity ? 0 : top)));
  const sum = total(powers) || 1;
  return powers.map((power) => power / sum);
}

/** @param {Float64Array} row @returns {Float64Array} */
function norm(row) {
  const mean = total(row) / row.length;
  const centred = row.map((z) => z - mean);
  const root = Math.sqrt(total(centred.map((z) => z * z)) / row.length + 1e-5);
  return centred.map((z) => z / root);
}

/** @param {(z: number) => number} operation @param {Cells} cells @returns {Cells} */
function each(operation, cells) {
  return { ...cells, data: cells.data.map(operation) };
}

/**
 * How far apart neighbours along each of `axes` lie in the numbers; 0 for an axis that is repeated.
 * @param {Cells} cells
 * @param {string[]} axes
 * @returns {number[]}
 */
function steps(cells, axes) {
  return axes.map((axis) => {
    const place = cells.axes.indexOf(axis);
    return place < 0 ? 0 : size(cells.shape.slice(place + 1));
  });
}

/**
 * Call `visit` with every place in reading order, and where both operands have it.
 * @param {number[]} shape
 * @param {number[]} left
 * @param {number[]} right
 * @param {(place: number, left: number, right: number) => void} visit
 */
function walk(shape, left, right, visit) {
  const count = size(shape);
  const index = shape.map(() => 0);
  let a = 0;
  let b = 0;
  for (let place = 0; place < count; place++) {
    visit(place, a, b);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      a += left[axis];
      b += right[axis];
      if (++index[axis] < shape[axis]) break;
      a -= left[axis] * shape[axis];
      b -= right[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/**
 * The same cells with their axes in another order.
 * @param {Cells} cells
 * @param {string[]} axes
 * @returns {Cells}
 */
function spread(cells, axes) {
  if (axes.join() === cells.axes.join()) return cells;
  const shape = axes.map((axis) => cells.shape[cells.axes.indexOf(axis)]);
  const data = new Float64Array(cells.data.length);
  const apart = steps(cells, axes);
  walk(shape, apart, apart, (place, from) => { data[place] = cells.data[from]; });
  return { axes, shape, data };
}

/**
 * @param {(left: number, right: number) => number} operation
 * @param {string[]} axes
 * @param {Cells} left
 * @param {Cells} right
 * @returns {Cells}
 */
function pair(operation, axes, left, right) {
  const shape = (left.axes.length >= right.axes.length ? left : right).shape;
  const data = new Float64Array(size(shape));
  walk(shape, steps(left, axes), steps(right, axes), (place, a, b) => {
    data[place] = operation(left.data[a], right.data[b]);
  });
  return { axes, shape, data };
}

/**
 * The last axis of the left with the last but one of the right; axes before those meet by name.
 * @param {string[]} axes
 * @param {Cells} left
 * @param {Cells} right
 * @returns {Cells}
 */
function product(axes, left, right) {
  const hasRows = left.axes.length > 1;
  const lead = axes.slice(0, hasRows ? -2 : -1);
  const inner = left.shape[left.shape.length - 1];
  const rows = hasRows ? left.shape[left.shape.length - 2] : 1;
  const columns = right.shape[right.shape.length - 1];
  const before = { l: { ...left, axes: left.axes.slice(0, -2) }, r: { ...right, axes: right.axes.slice(0, -2) } };
  const lengths = lead.map((axis) => {
    const mine = before.l.axes.indexOf(axis);
    return mine < 0 ? right.shape[before.r.axes.indexOf(axis)] : left.shape[mine];
  });
  const data = new Float64Array(size(lengths) * rows * columns);
  walk(lengths, steps(before.l, lead), steps(before.r, lead), (place, a, b) => {
    for (let i = 0; i < rows; i++) {
      const start = (place * rows + i) * columns;
      for (let k = 0; k < inner; k++) {
        const factor = left.data[a + i * inner + k];
        const from = b + k * columns;
        for (let j = 0; j < columns; j++) data[start + j] += factor * right.data[from + j];
      }
    }
  });
  return { axes, shape: [...lengths, ...(hasRows ? [rows] : []), columns], data };
}
