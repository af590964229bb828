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
