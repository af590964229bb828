import { pageModel } from "./host.js";
import { render } from "./main.js";

/** Draw what the page holds as JSON. */
const held = /** @type {HTMLElement} */ (document.getElementById("document")).textContent ?? "{}";
const sheet = new CSSStyleSheet();
sheet.replaceSync("body { margin: 0; }");
document.adoptedStyleSheets = [sheet];
render({ model: pageModel({ document: JSON.parse(held), language: document.documentElement.dataset.language }), el: document.body });
