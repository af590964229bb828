/**
 * Four digits that count, rounded half away from zero on the exact binary value: what
 * clearhead/numerals.py writes. toFixed and toExponential of the size round just so.
 * @param {number} number
 * @returns {string}
 */
export function shown(number) {
  if (Number.isNaN(number)) return "nan";
  const sign = number < 0 ? "−" : "";
  const size = Math.abs(number);
  if (size === Infinity) return `${sign}∞`;
  if (size < 1e6 && Number.isInteger(size)) return `${sign}${size}`;
  const [digits, power] = size.toExponential(3).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return sign + size.toFixed(Math.max(0, 3 - exponent));
  return `${sign}${digits}e${exponent < 0 ? "−" : ""}${Math.abs(exponent)}`;
}

/**
 * The number so that Python, read as float64, gives it back.
 * @param {number} number
 * @returns {string}
 */
export function exact(number) {
  if (Number.isNaN(number)) return "nan";
  if (Math.abs(number) === Infinity) return number < 0 ? "-inf" : "inf";
  const [digits, power] = number.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  const text = exponent < 0 ? `${number < 0 ? "-" : ""}0.${"0".repeat(-exponent - 1)}${digits.replace(/[-.]/g, "")}` : String(number);
  if (Object.is(number, -0)) return "-0.0";
  return text.includes(".") ? text : `${text}.0`;
}
