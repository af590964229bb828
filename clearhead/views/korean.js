/** Korean for every sentence of the page and every meaning of a step. @type {Record<string, string>} */
export const KOREAN = {
  "masked": "가려짐",
};
