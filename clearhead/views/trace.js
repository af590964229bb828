/**
 * A tree as the JSON has it: [word, axes, parts...].
 * @typedef {[string, string[], ...any[]]} Tree
 *
 * Numbers in reading order.
 * @typedef {{axes: string[], shape: number[], data: Float64Array}} Cells
 *
 * @typedef {{name: string, axes: string[], meaning: string, origin: string, heads: number[] | null,
 *   dtype: string, data: string, thumbnails?: {heads: number[], shape: number[], dtype: string, data: string}}} Packed
 * @typedef {{name: string, formula: string, shape: string[], reads: Record<string, string>,
 *   part: string, tree: Tree}} StepInfo
 * @typedef {{by: string, passed: boolean, wrong: number[]}} Check
 * @typedef {{value: string, shape: number[], patch?: number[]}} Picture
 * @typedef {{format: string, version: number, kind: string, lengths: Record<string, number>,
 *   names: Record<string, string[]>, values: Packed[], steps: StepInfo[],
 *   checks: Record<string, Check>, target: string[], tiny: number, epsilon: number, image: Picture | null,
 *   notes: string[]}} TraceDocument
 */

/**
 * The bytes behind base64 of a zlib stream.
 * @param {string} text
 * @returns {Promise<ArrayBuffer>}
 */
export async function inflated(text) {
  const letters = atob(text);
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/**
 * Numbers of NumPy's dtype, little-endian, as float64.
 * @param {ArrayBuffer} bytes
 * @param {string} dtype
 * @returns {Float64Array}
 */
export function numbersOf(bytes, dtype) {
  switch (dtype.slice(1)) {
    case "f8": return new Float64Array(bytes);
    case "f4": return new Float64Array(new Float32Array(bytes));
    case "f2": return Float64Array.from(new Uint16Array(bytes), half);
    case "i8": return Float64Array.from(new BigInt64Array(bytes), Number);
    case "i4": return new Float64Array(new Int32Array(bytes));
    case "u1": case "b1": return new Float64Array(new Uint8Array(bytes));
  }
  throw new Error(`dtype ${dtype} is not known here`);
}

/** @param {number} bits @returns {number} */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const rest = bits & 1023;
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
}

/** A trace's values, unpacked when they are first needed, with the steps that made them. */
export class Trace {
  /** @param {TraceDocument} document */
  constructor(document) {
    if (document.format !== "clearhead trace" || document.version !== 1) {
      throw new Error(`this page reads version 1 of "clearhead trace", got ${document.format} ${document.version}`);
    }
    this.document = document;
    this.lengths = document.lengths;
    /** @type {Map<string, Packed>} */
    this.packed = new Map(document.values.map((value) => [value.name, value]));
    /** @type {Map<string, StepInfo>} */
    this.steps = new Map(document.steps.map((step) => [step.name, step]));
    /** @type {Map<string, Cells>} */
    this.cells = new Map();
  }

  /** @param {string} name @returns {boolean} */
  has(name) {
    return this.packed.has(name);
  }

  /** @param {string} name @returns {Packed} */
  about(name) {
    const found = this.packed.get(name);
    if (!found) throw new Error(`${name} is not in this file`);
    return found;
  }

  /**
   * The whole shape, also where only some heads are in the file.
   * @param {string} name
   * @returns {number[]}
   */
  shape(name) {
    return this.about(name).axes.map((axis) => this.lengths[axis]);
  }

  /**
   * Unpack values, so that `value` has them.
   * @param {Iterable<string>} names
   */
  async unpack(names) {
    const wanted = [...names].filter((name) => this.has(name) && !this.cells.has(name));
    await Promise.all(wanted.map(async (name) => {
      const { axes, dtype, data, heads } = this.about(name);
      const shape = axes.map((axis) => (axis === "A" && heads ? heads.length : this.lengths[axis]));
      this.cells.set(name, { axes, shape, data: numbersOf(await inflated(data), dtype) });
    }));
  }

  /** @param {string} name @returns {Cells} */
  value(name) {
    const found = this.cells.get(name);
    if (!found) throw new Error(`${name} is not unpacked`);
    return found;
  }

  /**
   * Where a cell lies in the numbers that the file has; -1 where its head is not there.
   * @param {string} name
   * @param {number[]} cell
   */
  position(name, cell) {
    const { axes, heads } = this.about(name);
    let place = 0;
    for (let i = 0; i < axes.length; i++) {
      const within = axes[i] === "A" && heads ? heads.indexOf(cell[i]) : cell[i];
      if (within < 0) return -1;
      place = place * (axes[i] === "A" && heads ? heads.length : this.lengths[axes[i]]) + within;
    }
    return place;
  }

  /**
   * The steps that read a value.
   * @param {string} name
   * @returns {string[]}
   */
  usedIn(name) {
    return [...this.steps.values()].filter((step) => Object.values(step.reads).includes(name)).map((step) => step.name);
  }
}
