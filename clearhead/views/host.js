/** @import { Model } from "./main.js" */

/**
 * A page's own model, with what the page holds: the interface that a notebook gives.
 * @param {Record<string, any>} held
 * @returns {Model}
 */
export function pageModel(held) {
  /** @type {Map<string, Set<() => void>>} */
  const listeners = new Map();
  return {
    get: (name) => held[name],
    set: (name, value) => {
      held[name] = value;
      for (const listener of listeners.get(`change:${name}`) ?? []) listener();
    },
    on: (event, listener) => { listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)); },
    off: (event, listener) => { listeners.get(event)?.delete(listener); },
  };
}
