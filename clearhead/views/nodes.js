/**
 * A view is a function from data to such nodes; `draw` alone touches the page.
 *
 * @typedef {{[event: string]: (event: any) => void}} Listeners
 * @typedef {{class?: string, text?: string, on?: Listeners, attributes?: Record<string, string | number | boolean>,
 *   style?: Record<string, string>, paint?: (canvas: HTMLCanvasElement) => void,
 *   made?: (element: any) => void}} Props
 * @typedef {{tag: string, props: Props, children: Node_[]}} Node_
 */

const SVG = new Set(["svg", "path", "line", "circle", "rect", "polyline", "text", "g", "marker", "defs", "title"]);

/**
 * @param {string} tag
 * @param {Props | string} [props]
 * @param {(Node_ | null | false | undefined)[]} [children]
 * @returns {Node_}
 */
export function node(tag, props = {}, children = []) {
  return {
    tag,
    props: typeof props === "string" ? { text: props } : props,
    children: /** @type {Node_[]} */ (children.filter(Boolean)),
  };
}

/**
 * The elements of a node, not yet in the page. Canvases are painted by `paintAll` once they are.
 * @param {Node_} tree
 * @returns {Element}
 */
export function draw({ tag, props, children }) {
  const element = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  if (props.class) element.setAttribute("class", props.class);
  if (props.text !== undefined) element.textContent = props.text;
  for (const [name, value] of Object.entries(props.attributes ?? {})) {
    if (name.startsWith("aria-") || typeof value !== "boolean") element.setAttribute(name, String(value));
    else if (value) element.setAttribute(name, "");
  }
  for (const [name, value] of Object.entries(props.style ?? {})) /** @type {HTMLElement} */ (element).style.setProperty(name, value);
  for (const [name, listener] of Object.entries(props.on ?? {})) element.addEventListener(name, listener);
  element.append(...children.map(draw));
  if (props.paint) waiting.push([/** @type {HTMLCanvasElement} */ (element), props.paint]);
  props.made?.(element);
  return element;
}

/** @type {[HTMLCanvasElement, (canvas: HTMLCanvasElement) => void][]} */
let waiting = [];

/** Paint what `draw` made, now that it has a place and a size. */
function paintAll() {
  const now = waiting;
  waiting = [];
  for (const [canvas, paint] of now) paint(canvas);
}

/**
 * Put a node's elements where others were.
 * @param {Element | ShadowRoot} place
 * @param {Node_[]} trees
 */
export function show(place, trees) {
  place.replaceChildren(...trees.map(draw));
  paintAll();
}
