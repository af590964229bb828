/**
 * Colours: one hue a role, everywhere. Signed numbers go from orange by neutral to blue on a scale
 * symmetric about zero; shares from neutral to purple, fixed from 0 to 1.
 *
 * @typedef {"signed" | "share"} Scale
 */

/** Okabe and Ito's blue, vermillion and green for queries, keys and values; light, then dark. */
const ROLES = { q: ["#0072b2", "#56b4e9"], k: ["#b84f00", "#f0843c"], v: ["#00795a", "#2fc79b"], a: ["#7b3fa0", "#c792ea"] };

const BLUE = [0, 90, 181];
const ORANGE = [220, 110, 0];
const PURPLE = [106, 40, 150];
const PURPLE_DARK = [205, 150, 255];

/**
 * The role of a value, by its short name: q, k, v, a for attention's own, or none.
 * @param {string} name
 * @returns {"q" | "k" | "v" | "a" | ""}
 */
export function roleOf(name) {
  const short = name.slice(name.lastIndexOf(".") + 1).replace(/^d(?=[A-Za-z])/, "");
  if (["q", "queries", "Wq", "bq", "x_query", "normed_query"].includes(short)) return "q";
  if (["k", "keys", "Wk", "bk", "x_key", "normed_key"].includes(short)) return "k";
  if (["v", "values", "Wv", "bv", "x_value", "normed_value"].includes(short)) return "v";
  return ["scores", "weights", "mask"].includes(short) ? "a" : "";
}

/** @returns {boolean} */
export function isDark() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * The colours of the roles as the style sheet's variables.
 * @param {boolean} dark
 * @returns {string}
 */
export function roleVariables(dark) {
  return Object.entries(ROLES).map(([role, hues]) => `--${role}: ${hues[Number(dark)]};`).join(" ");
}

/**
 * Red, green and blue of a number.
 * @param {number} number
 * @param {Scale} scale
 * @param {number} most what has the full hue, on the signed scale
 * @param {boolean} dark
 * @returns {[number, number, number]}
 */
export function colourOf(number, scale, most, dark) {
  const neutral = dark ? [30, 31, 36] : [255, 255, 255];
  const share = scale === "share" ? number : number / (most || 1);
  const strength = Math.min(1, Math.abs(share) || 0);
  const hue = scale === "share" ? (dark ? PURPLE_DARK : PURPLE) : share < 0 ? ORANGE : BLUE;
  const part = scale === "share" ? strength : strength ** 0.8;
  return /** @type {[number, number, number]} */ (hue.map((full, i) => Math.round(neutral[i] + (full - neutral[i]) * part)));
}

/**
 * Black or white, whichever is easier to read on a colour.
 * @param {[number, number, number]} colour
 * @returns {string}
 */
export function inkOn(colour) {
  const [r, g, b] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
}

/**
 * Which scale a value is shown on.
 * @param {string} name
 * @param {string} kind of model; a classifier's tokens are any numbers
 * @returns {Scale}
 */
export function scaleOf(name, kind) {
  const short = name.slice(name.lastIndexOf(".") + 1);
  if (short === "tokens" && kind !== "language") return "signed";
  return ["weights", "mask", "y", "p", "h", "tokens", "Y", "target"].includes(short) ? "share" : "signed";
}

/**
 * The largest size among numbers.
 * @param {ArrayLike<number>} numbers
 * @returns {number}
 */
export function largest(numbers) {
  let most = 0;
  for (let i = 0; i < numbers.length; i++) {
    const size = Math.abs(numbers[i]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}
