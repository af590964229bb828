import { KOREAN } from "./korean.js";

/**
 * A sentence in the page's language; `{0}` and so on are filled in.
 * @param {string} language
 * @param {string} sentence
 * @param {...(string | number)} parts
 * @returns {string}
 */
export function said(language, sentence, ...parts) {
  const found = language === "ko" ? KOREAN[sentence] ?? sentence : sentence;
  return parts.reduce((/** @type {string} */ text, part, i) => text.replaceAll(`{${i}}`, String(part)), found);
}

/** What Python writes with a part of its own, as a pattern and as the sentence to look up. @type {[RegExp, string][]} */
const PATTERNS = [
  [/^the error that reached (.+), by autograd\.$/, "the error that reached {0}, by autograd."],
  [/^Head (.+) is exact here; the others are thumbnails\.$/, "Head {0} is exact here; the others are thumbnails."],
  [/^Left out, as the file would be over 8 MB: (.+)\.$/, "Left out, as the file would be over 8 MB: {0}."],
];

/**
 * A sentence that Python wrote, in the page's language.
 * @param {string} language
 * @param {string} sentence
 * @returns {string}
 */
export function told(language, sentence) {
  for (const [pattern, general] of PATTERNS) {
    const found = pattern.exec(sentence);
    if (found) return said(language, general, found[1]);
  }
  return said(language, sentence);
}
