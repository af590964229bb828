/** @import { Tree } from "./trace.js" */
import { CELL, PAIR } from "./evaluate.js";
import { exact, shown } from "./numerals.js";

/**
 * What clearhead/receipts.py does, from the typed tree: the same words, the same digits.
 *
 * @typedef {Record<string, number>} Letters
 * @typedef {{text: string, at: (letters: Letters) => number}} Index
 * @typedef {(name: string, cell: number[]) => number} Read
 * @typedef {{text: string, name?: string, cell?: number[]}} Piece
 * @typedef {{word: string, parts: any[]}} Expression
 * @typedef {"symbols" | "shown" | "exact"} Style
 * @typedef {[Piece[], number]} Written
 */

const TERMS_SHOWN = 5;
const MOST_TO_COPY = 20000;
const SHIFT_FROM = 80;

/** @param {number} place @returns {Index} */
function fixed(place) {
  return { text: String(place), at: () => place };
}

/** @param {string} text @param {number} value @returns {Expression} */
function number(text, value) {
  return { word: "number", parts: [text, value] };
}

/** @param {string} sign @param {Expression} left @param {Expression} right @returns {Expression} */
function both(sign, left, right) {
  return { word: "pair", parts: [sign, left, right] };
}

/** @param {string} text */
function isWhole(text) {
  return /^\d+$/.test(text);
}

/**
 * A whole formula at one cell of its value, whose axes are `shape`.
 * @param {Tree} tree
 * @param {string[]} shape
 * @param {number[]} cell
 * @param {Record<string, number>} lengths
 * @param {number} tiny
 * @returns {Expression}
 */
export function atCell(tree, shape, cell, lengths, tiny) {
  let [, axes] = tree;
  let place = cell;
  let root = tree;
  if (tree[0] === "reshape") {
    root = tree[2];
    axes = root[1];
    let flat = shape.reduce((sum, axis, i) => sum * lengths[axis] + cell[i], 0);
    place = [];
    for (const axis of [...axes].reverse()) {
      place.unshift(flat % lengths[axis]);
      flat = Math.floor(flat / lengths[axis]);
    }
  }
  const index = Object.fromEntries(axes.map((axis, i) => [axis, fixed(place[i])]));
  return new Walk(lengths, tiny).at(root, index);
}

class Walk {
  /** @param {Record<string, number>} lengths @param {number} tiny */
  constructor(lengths, tiny) {
    this.lengths = lengths;
    this.tiny = tiny;
    /** @type {Set<string>} */
    this.letters = new Set();
  }

  /** @param {Tree} tree @param {Record<string, Index>} index @returns {Expression} */
  at(tree, index) {
    const [word, axes, ...parts] = tree;
    if (word === "value") return { word: "cell", parts: [parts[0], axes.map((axis) => index[axis])] };
    if (word === "number") return number(parts[0] === 1e-5 ? "0.00001" : String(parts[0]), parts[0]);
    if (word === "axis") return number(parts[0], this.lengths[parts[0]]);
    if (["Σ", "mean", "argmax", "softmax", "norm"].includes(word)) return this.over(word, parts[0], parts[1], index);
    if (word === "product" && parts[0][1].length && parts[1][1].length) return this.product(parts[0], parts[1], index);
    if (word === "split" || word === "merge") return this.at(parts[0], this.regrouped(word, index));
    let inside = parts.map((part) => this.at(part, index));
    if (word === "ᵀ") return inside[0];
    if (word === "where") return { word, parts: inside };
    if (word === "log") inside = [{ word: "floor", parts: [inside[0], this.tiny] }];
    if (inside.length === 1) return { word: "call", parts: [word, inside[0]] };
    return both(word === "product" ? "⊙" : word, inside[0], inside[1]);
  }

  /** @param {Tree} left @param {Tree} right @param {Record<string, Index>} index */
  product(left, right, index) {
    const mine = left[1][left[1].length - 1];
    const other = right[1][right[1].length - 2];
    const letters = this.bind([mine]);
    const body = both("⊙", this.at(left, { ...index, [mine]: letters[0] }), this.at(right, { ...index, [other]: letters[0] }));
    return this.bound("Σ", letters, [mine], [body]);
  }

  /** @param {string} word @param {string[]} named @param {Tree} child @param {Record<string, Index>} index */
  over(word, named, child, index) {
    const letters = this.bind(named);
    const body = this.at(child, { ...index, ...Object.fromEntries(named.map((axis, i) => [axis, letters[i]])) });
    if (word === "Σ" || word === "argmax") return this.bound(word, letters, named, [body]);
    if (word === "softmax") return this.bound(word, letters, named, [body, this.at(child, index)]);
    const count = number(named.join("·"), named.reduce((product, axis) => product * this.lengths[axis], 1));
    const average = both("/", this.bound("Σ", letters, named, [body]), count);
    if (word === "mean") return average;
    const here = this.at(child, index);
    const mean = { word: "known", parts: ["mean", average] };
    const squares = { word: "call", parts: ["²", both("-", body, mean)] };
    const variance = { word: "known", parts: ["variance", both("/", this.bound("Σ", letters, named, [squares]), count)] };
    const root = { word: "call", parts: ["√", both("+", variance, number("0.00001", 1e-5))] };
    return both("/", both("-", here, mean), root);
  }

  /** @param {string[]} named @returns {Index[]} */
  bind(named) {
    return named.map((axis) => {
      let text = axis === "AK" ? "j" : axis.toLowerCase();
      while (this.letters.has(text)) text += "′";
      this.letters.add(text);
      return { text, at: (letters) => letters[text] };
    });
  }

  /** @param {string} word @param {Index[]} letters @param {string[]} named @param {Expression[]} parts @returns {Expression} */
  bound(word, letters, named, parts) {
    const names = letters.map((letter) => letter.text);
    for (const name of names) this.letters.delete(name);
    return { word, parts: [names, named.map((axis) => this.lengths[axis]), ...parts] };
  }

  /** @param {string} word @param {Record<string, Index>} index @returns {Record<string, Index>} */
  regrouped(word, index) {
    const size = this.lengths.K;
    if (word === "split") {
      const { A: head, K: place } = index;
      if (isWhole(head.text) && isWhole(place.text)) return { ...index, AK: fixed(head.at({}) * size + place.at({})) };
      return { ...index, AK: { text: `${head.text}·${size}+${place.text}`, at: (letters) => head.at(letters) * size + place.at(letters) } };
    }
    const joined = index.AK;
    if (isWhole(joined.text)) return { ...index, A: fixed(Math.floor(joined.at({}) / size)), K: fixed(joined.at({}) % size) };
    return {
      ...index,
      A: { text: `⌊${joined.text}/${size}⌋`, at: (letters) => Math.floor(joined.at(letters) / size) },
      K: { text: `${joined.text} mod ${size}`, at: (letters) => joined.at(letters) % size },
    };
  }
}

/**
 * What an expression comes to.
 * @param {Expression} expression
 * @param {Read} read
 * @param {Letters} letters
 * @returns {number}
 */
function valueOf({ word, parts }, read, letters) {
  switch (word) {
    case "cell": return read(parts[0], parts[1].map((/** @type {Index} */ index) => index.at(letters)));
    case "number": return parts[1];
    case "known": return valueOf(parts[1], read, letters);
    case "floor": return Math.max(valueOf(parts[0], read, letters), parts[1]);
    case "call": return parts[0] === "log" ? Math.log(valueOf(parts[1], read, letters)) : CELL[parts[0]](valueOf(parts[1], read, letters));
    case "pair": return PAIR[parts[0]](valueOf(parts[1], read, letters), valueOf(parts[2], read, letters));
    case "where": return valueOf(parts[1], read, letters) ? valueOf(parts[0], read, letters) : -Infinity;
  }
  const numbers = environments(parts, letters).map((inner) => valueOf(parts[2], read, inner));
  if (word === "Σ") return numbers.reduce((sum, term) => sum + term, 0);
  const top = numbers.reduce((best, term) => Math.max(best, term), -Infinity);
  if (word === "argmax") return numbers.indexOf(top);
  if (top === -Infinity) return 0;
  return Math.exp(valueOf(parts[3], read, letters) - top) / numbers.reduce((sum, z) => sum + Math.exp(z - top), 0);
}

/** @param {any[]} parts @param {Letters} letters @returns {Letters[]} */
function environments(parts, letters) {
  /** @type {Letters[]} */
  let made = [letters];
  parts[0].forEach((/** @type {string} */ name, /** @type {number} */ i) => {
    made = made.flatMap((inner) => Array.from({ length: parts[1][i] }, (_, place) => ({ ...inner, [name]: place })));
  });
  return made;
}

const ADD = 1;
const DIVIDE = 2;
const MULTIPLY = 3;
const TIGHT = 4;
const ATOM = 5;
/** @type {Record<string, number>} */
const LEVEL = { "+": ADD, "-": ADD, "⊙": MULTIPLY, "/": DIVIDE, ">": 0, "=": 0 };
/** @type {Record<string, [string, string]>} */
const EXACT = {
  "√": ["sqrt(", ")"],
  exp: ["exp(", ")"],
  tanh: ["tanh(", ")"],
  log: ["log(", ")"],
  "σ": ["(0.5*tanh(0.5*(", ")) + 0.5)"],
  gelu: ["(lambda z: 0.5*z*(1 + erf(z/sqrt(2))))(", ")"],
};
/** @type {Record<Style, Record<string, string>>} */
const SIGNS = {
  symbols: { "⊙": " ", "/": " / ", "+": " + ", "-": " − ", ">": " > ", "=": " = " },
  shown: { "⊙": "·", "/": " / ", "+": " + ", "-": " − ", ">": " > ", "=": " = " },
  exact: { "⊙": "*", "/": " / ", "+": " + ", "-": " - ", ">": " > ", "=": " == " },
};

/** One way to write an expression: in symbols, as shown (four digits, long sums cut), or exact, to copy. */
export class Writing {
  /** @param {Style} style @param {Read} read @param {boolean} [whole] every term of a long sum @param {(name: string, cell: number[]) => boolean} [hidden] by a mask */
  constructor(style, read, whole, hidden) {
    this.hidden = hidden;
    this.style = style;
    this.read = read;
    this.whole = whole || style === "exact";
    this.signs = SIGNS[style];
    this.minus = style === "exact" ? "-" : "−";
    this.budget = MOST_TO_COPY;
  }

  /** @param {Expression} expression @returns {Piece[]} */
  pieces(expression) {
    return this.write(expression, {}, false)[0];
  }

  /** @param {Expression} expression @returns {string} */
  text(expression) {
    return this.pieces(expression).map((piece) => piece.text).join("");
  }

  /** @param {Expression} expression @param {Letters} letters @param {boolean} within @returns {Written} */
  write(expression, letters, within) {
    const { word, parts } = expression;
    if (word === "call") return this.call(parts[0], this.write(parts[1], letters, within));
    if (word === "pair") return this.pair(parts[0], this.write(parts[1], letters, within), this.write(parts[2], letters, within));
    if (this.style === "symbols") return this.symbols(word, parts);
    if (word === "cell") {
      const cell = parts[1].map((/** @type {Index} */ index) => index.at(letters));
      return this.number(this.read(parts[0], cell), parts[0], cell);
    }
    if (word === "floor" && valueOf(parts[0], this.read, letters) > parts[1]) return this.write(parts[0], letters, within);
    if (word === "where" && valueOf(parts[1], this.read, letters)) return this.write(parts[0], letters, within);
    if (word === "Σ" && !within) return this.sum(parts, letters);
    if (word === "softmax" && !within) return this.softmax(parts, letters);
    return this.number(valueOf(expression, this.read, letters));
  }

  /** @param {number} value @param {string} [name] @param {number[]} [cell] @returns {Written} */
  number(value, name, cell) {
    if (this.style === "exact" && --this.budget < 0) throw new RangeError("too many numbers to copy");
    const text = this.style === "exact" ? exact(value) : value === -Infinity || (name && cell && this.hidden?.(name, cell)) ? "masked" : shown(value);
    return [[name ? { text, name, cell } : { text }], text[0] === this.minus ? TIGHT : ATOM];
  }

  /** @param {string} word @param {any[]} parts @returns {Written} */
  symbols(word, parts) {
    if (word === "cell") {
      const places = parts[1].map((/** @type {Index} */ index) => index.text).join(",");
      return [[{ text: parts[1].length ? `${parts[0]}[${places}]` : parts[0], name: parts[0] }], ATOM];
    }
    if (word === "number" || word === "known") return [[{ text: parts[0] }], parts[0].includes("·") ? MULTIPLY : ATOM];
    if (word === "where" || word === "floor") return this.write(parts[0], {}, false);
    const letters = parts[0].join(",");
    const [body, level] = this.write(parts[2], {}, false);
    if (word === "softmax") {
      const [here] = this.write(parts[3], {}, false);
      return [[{ text: "exp(" }, ...here, { text: `) / Σ_${letters} exp(` }, ...body, { text: ")" }], DIVIDE];
    }
    if (word === "argmax") return [[{ text: `argmax_${letters}(` }, ...body, { text: ")" }], ATOM];
    return [[{ text: `Σ_${letters} ` }, ...(level > ADD || body[0].text[0] === "Σ" ? body : bracketed(body))], ADD];
  }

  /** @param {any[]} parts @param {Letters} letters @returns {Written} */
  sum(parts, letters) {
    let [names, lengths, body] = parts;
    while (body.word === "Σ") [names, lengths, body] = [[...names, ...body.parts[0]], [...lengths, ...body.parts[1]], body.parts[2]];
    const inner = environments([names, lengths], letters);
    /** @type {Piece[]} */
    let pieces = [];
    let before = -1;
    for (const place of [...this.chosen(body, inner), inner.length]) {
      if (place > before + 1) pieces = this.plus(pieces, [{ text: "…" }]);
      if (place < inner.length) {
        const [written, level] = this.write(body, inner[place], true);
        pieces = this.plus(pieces, level > ADD ? written : bracketed(written));
      }
      before = place;
    }
    return [pieces, inner.length > 1 ? ADD : MULTIPLY];
  }

  /** @param {Expression} body @param {Letters[]} inner @returns {number[]} */
  chosen(body, inner) {
    const places = inner.map((_, place) => place);
    if (this.whole || inner.length <= TERMS_SHOWN) return places;
    const sizes = inner.map((letters) => {
      const value = valueOf(body, this.read, letters);
      return Number.isFinite(value) ? Math.abs(value) : -1;
    });
    return places.sort((a, b) => sizes[b] - sizes[a] || a - b).slice(0, 3).sort((a, b) => a - b);
  }

  /** @param {Piece[]} pieces @param {Piece[]} more @returns {Piece[]} */
  plus(pieces, more) {
    if (!pieces.length) return more;
    if (more[0].text[0] !== this.minus) return [...pieces, { text: " + " }, ...more];
    return [...pieces, { text: this.signs["-"] }, { ...more[0], text: more[0].text.slice(1) }, ...more.slice(1)];
  }

  /** @param {any[]} parts @param {Letters} letters @returns {Written} */
  softmax(parts, letters) {
    const [names, lengths, body, here] = parts;
    const top = environments(parts, letters).reduce((best, inner) => Math.max(best, valueOf(body, this.read, inner)), -Infinity);
    if (top === -Infinity) return this.number(0);
    const shifts = this.style === "exact" || Math.abs(top) > SHIFT_FROM;
    const [over, under] = [here, body].map((score) => ({
      word: "call", parts: ["exp", shifts ? both("-", score, number("", top)) : score],
    }));
    return this.pair("/", this.write(over, letters, false), this.sum([names, lengths, under], letters));
  }

  /** @param {string} word @param {Written} written @returns {Written} */
  call(word, [pieces, level]) {
    if (word === "neg") {
      const inside = level > ADD && pieces[0].text[0] !== this.minus ? pieces : bracketed(pieces);
      return [[{ text: this.minus }, ...inside], MULTIPLY];
    }
    if (word === "²") return [[...(level === ATOM ? pieces : bracketed(pieces)), { text: this.style === "exact" ? "**2" : "²" }], TIGHT];
    if (this.style === "exact") return [[{ text: EXACT[word][0] }, ...pieces, { text: EXACT[word][1] }], ATOM];
    if (pieces.length === 1 && pieces[0].text === "masked") return [pieces, level];
    return [[{ text: word }, ...(word === "√" && level === ATOM ? pieces : bracketed(pieces))], ATOM];
  }

  /** @param {string} sign @param {Written} left @param {Written} right @returns {Written} */
  pair(sign, left, right) {
    const level = LEVEL[sign];
    const one = left[1] >= level ? left[0] : bracketed(left[0]);
    if (sign === "+") return [this.plus(one, right[0]), ADD];
    const needed = level === DIVIDE ? MULTIPLY : level;
    const other = right[1] > needed && right[0][0].text[0] !== this.minus ? right[0] : bracketed(right[0]);
    const pieces = [...one, { text: this.signs[sign] }, ...other];
    if (level) return [pieces, level];
    return [[{ text: this.style === "exact" ? "int(" : "[" }, ...pieces, { text: this.style === "exact" ? ")" : "]" }], ATOM];
  }
}

/** @param {Piece[]} pieces @returns {Piece[]} */
function bracketed(pieces) {
  return [{ text: "(" }, ...pieces, { text: ")" }];
}
