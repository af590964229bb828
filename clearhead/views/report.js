/** @import { TraceDocument } from "./trace.js" */
/** @import { Node_ } from "./nodes.js" */
import { node } from "./nodes.js";

/**
 * @typedef {{format: string, version: number, trace: TraceDocument | null}} ReportDocument
 */

/** @param {ReportDocument} report @param {string} language @returns {Node_[]} */
export function reportNodes(report, language) {
  return [node("h1", "Report")];
}
