/** @import { Scale } from "./colours.js" */
import { colourOf, isDark } from "./colours.js";
import { shown } from "./numerals.js";

/** Make a canvas as many pixels as the screen has for it. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
export function fit(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.setProperty("width", `${width}px`);
  canvas.style.setProperty("height", `${height}px`);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(ratio, ratio);
  return context;
}

const SHADES = 255;
/** @type {Map<string, Uint32Array>} */
const known = new Map();

/** @param {number[]} colour */
function packedColour([r, g, b]) {
  return (255 << 24) | (b << 16) | (g << 8) | r;
}

/** The colours from -1 to 1 as pixels. @param {Scale} scale @param {boolean} dark @returns {Uint32Array} */
function shadesOf(scale, dark) {
  const name = `${scale} ${dark}`;
  const found = known.get(name) ?? Uint32Array.from({ length: 2 * SHADES + 1 }, (_, i) => packedColour(colourOf(i / SHADES - 1, scale, 1, dark)));
  known.set(name, found);
  return found;
}

/**
 * A matrix as an image, a pixel a cell or as many as are given, stretched without smoothing.
 * @param {CanvasRenderingContext2D} context
 * @param {{rows: number, columns: number, at: (row: number, column: number) => number, hidden?: (row: number, column: number) => boolean,
 *   scale: Scale, most: number, x: number, y: number, width: number, height: number}} map
 */
export function paintMap(context, { rows, columns, at, hidden, scale, most, x, y, width, height }) {
  const dark = isDark();
  const tall = Math.max(1, Math.min(rows, Math.round(height * 2)));
  const wide = Math.max(1, Math.min(columns, Math.round(width * 2)));
  const image = new ImageData(wide, tall);
  const pixels = new Uint32Array(image.data.buffer);
  const shades = shadesOf(scale, dark);
  const off = packedColour(dark ? [54, 55, 62] : [226, 226, 230]);
  for (let i = 0; i < tall; i++) {
    const row = Math.floor((i * rows) / tall);
    for (let j = 0; j < wide; j++) {
      const column = Math.floor((j * columns) / wide);
      const share = scale === "share" ? at(row, column) : at(row, column) / (most || 1);
      pixels[i * wide + j] = hidden?.(row, column) ? off : shades[Math.round(SHADES * (1 + Math.max(-1, Math.min(1, share || 0))))];
    }
  }
  const buffer = new OffscreenCanvas(wide, tall);
  /** @type {OffscreenCanvasRenderingContext2D} */ (buffer.getContext("2d")).putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(buffer, x, y, width, height);
}

/** Lines across a cell that takes no part. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} width @param {number} height @param {string} ink */
export function hatch(context, x, y, width, height, ink) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = ink;
  context.lineWidth = 1;
  context.beginPath();
  for (let start = -height; start < width; start += 6) {
    context.moveTo(x + start, y + height);
    context.lineTo(x + start + height, y);
  }
  context.stroke();
  context.restore();
}

/**
 * Lines across every cell of a small matrix that takes no part; in a large one its grey must do.
 * @param {CanvasRenderingContext2D} context
 * @param {{rows: number, columns: number, hidden?: (row: number, column: number) => boolean}} matrix
 * @param {number} width
 * @param {number} height
 */
export function hatchHidden(context, { rows, columns, hidden }, width, height) {
  if (!hidden || rows > 64 || columns > 64) return;
  const ink = isDark() ? "#6a6b74" : "#b9b9c2";
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      if (hidden(i, j)) hatch(context, (j * width) / columns, (i * height) / rows, width / columns, height / rows, ink);
    }
  }
}

/**
 * A number in its place of a column: points under each other, digits of one width.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} x of the point
 * @param {number} y
 */
export function paintNumber(context, text, x, y) {
  const point = text.search(/[.]/);
  const whole = point < 0 ? text : text.slice(0, point);
  context.textAlign = "right";
  context.fillText(whole, x, y);
  context.textAlign = "left";
  if (point >= 0) context.fillText(text.slice(point), x, y);
}

/**
 * A colour bar: the scale, its ends in numbers, and whether other maps share it.
 * @param {CanvasRenderingContext2D} context
 * @param {{scale: Scale, most: number, x: number, y: number, width: number, height: number, ink: string}} bar
 */
export function paintBar(context, { scale, most, x, y, width, height, ink }) {
  const low = scale === "share" ? 0 : -most;
  const high = scale === "share" ? 1 : most;
  paintMap(context, { rows: 1, columns: 60, at: (_, j) => low + ((high - low) * j) / 59, scale, most, x, y, width, height });
  context.strokeStyle = ink;
  context.lineWidth = 0.5;
  context.strokeRect(x, y, width, height);
}

/** The two ends of a colour bar. @param {Scale} scale @param {number} most @returns {[string, string]} */
export function ends(scale, most) {
  return scale === "share" ? ["0", "1"] : [shown(-most), shown(most)];
}


/** A pixel's number: the mean of its channels. @param {Float64Array} numbers @param {number} start @param {number} depth @param {number} stride */
export function channels(numbers, start, depth, stride = 1) {
  let sum = 0;
  for (let channel = 0; channel < depth; channel++) sum += numbers[start + channel * stride];
  return sum / depth;
}
