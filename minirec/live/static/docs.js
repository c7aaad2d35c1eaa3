"use strict";
const view = document.getElementById("view");
function el(name, ...children) {
  const made = document.createElement(name);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}
const schema = (content) => el("pre", JSON.stringify(content, null, 1));
function operation(method, path, o) {
  const parameters = o.parameters || [];
  const body = o.requestBody && o.requestBody.content["application/json"];
  const ok = o.responses["200"] && o.responses["200"].content;
  return el("section", el("h2", method.toUpperCase() + " " + path), el("p", o.summary),
    parameters.length ? el("p", "Parameters: ", parameters.map((p, at) => [at ? ", " : "", el("code", p.name), " (" + p.in + (p.required ? ", required)" : ")")]).flat()) : null,
    body ? el("details", el("summary", "Body"), schema(body.schema)) : null,
    ok ? el("details", el("summary", "Answer"), Object.entries(ok).map(([kind, c]) => [el("p", kind), schema(c.schema || {})]).flat()) : null);
}
fetch("/openapi.json").then((answer) => answer.json()).then((api) => {
  const parts = [];
  for (const [path, methods] of Object.entries(api.paths)) for (const [method, o] of Object.entries(methods)) parts.push(operation(method, path, o));
  view.replaceChildren(el("h2", "API, version " + api.info.version), el("p", api.info.description), ...parts);
}).catch((error) => view.replaceChildren(el("p", error.message)));
