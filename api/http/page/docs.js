// The page of the API, drawn from /openapi.json: every call with its fields, responses and an example for curl.

import { copy, button, fill, h } from "./dom.js";

const main = document.getElementById("main"), calls = document.getElementById("calls");
let spec = null;

const resolve = (schema) => (schema?.$ref ? schema.$ref.split("/").slice(1).reduce((at, key) => at[key], spec) : schema || {});

/** A schema's type in a few words. */
function typeOf(schema) {
  const found = resolve(schema);
  if (schema?.$ref && (found.title || found.type === "object")) return found.title || schema.$ref.split("/").pop();
  const options = found.anyOf || found.oneOf;
  if (options) return options.map(typeOf).join(" or ");
  if (found.enum) return found.enum.map((one) => JSON.stringify(one)).join(" or ");
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.type === "array") return `list of ${typeOf(found.items)}`;
  return found.format === "binary" ? "file" : found.type || "any";
}

function limits(schema) {
  const found = resolve(schema), all = [found, ...(found.anyOf || [])];
  const words = { minimum: ["at least", ""], maximum: ["at most", ""], maxLength: ["at most", " characters"], maxItems: ["at most", " items"] };
  const known = (value) => value !== undefined && value < 1e9;
  return Object.entries(words).flatMap(([key, [word, unit]]) => all.filter((one) => known(one[key])).map((one) => `${word} ${one[key].toLocaleString("en")}${unit}`)).slice(0, 2);
}

function fields(rows) {
  return h("dl", { class: "fields" }, rows.map(([name, schema, required, where]) => h("div", {},
    h("dt", {}, name, required && h("i", { title: "required" }, " *"), required && h("span", { class: "sr" }, " (required)")),
    h("dd", {}, [typeOf(schema), where, ...limits(schema)].filter(Boolean).join(", "), (schema.description || resolve(schema).description) && [". ", prose(sentence(schema.description || resolve(schema).description))]))));
}
const unwrap = (text) => text.replace(/(\S)\n(?=\S)/g, "$1 ");
/** Text with what stands between backticks as code. */
const prose = (text) => unwrap(text).split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
const sentence = (text) => { const words = text.trim(); return words.charAt(0).toUpperCase() + words.slice(1); };

function bodyOf(operation) {
  const [type, content] = Object.entries(operation.requestBody?.content || {})[0] || [];
  if (!type) return null;
  const schema = resolve(content.schema);
  return { type, schema, example: content.example || schema.example };
}

function curl(method, path, operation, body) {
  const parts = [`curl ${method === "GET" ? "" : `-X ${method} `}${new URL(`.${path}`, document.baseURI)}`];
  if (body?.type === "application/json") parts.push("-H 'content-type: application/json'", `-d '${JSON.stringify(body.example || {})}'`);
  else if (body) parts.push("-F file=@handbook.pdf");
  return parts.join(" \\\n  ");
}

function draw(method, path, operation) {
  const body = bodyOf(operation), command = curl(method, path, operation, body);
  const id = `${method}-${path}`.replace(/[^A-Za-z0-9]+/g, "-");
  const link = h("a", { href: `#${id}`, onclick: (event) => { event.preventDefault(); document.getElementById(id).scrollIntoView(); } }, h("span", { class: `method ${method}` }, method), h("span", {}, operation.summary));
  const responses = Object.entries(operation.responses);
  const good = responses.filter(([status]) => status < 400), bad = responses.filter(([status]) => status >= 400);
  const section = h("section", { class: "call", id, "aria-label": operation.summary },
    h("h2", {}, operation.summary), h("p", { class: "path" }, h("span", { class: `method ${method}` }, method), path),
    operation.description && h("p", { class: "about" }, prose(operation.description)),
    operation.parameters?.length > 0 && [h("h3", {}, "Parameters"), fields(operation.parameters.map((one) => [one.name, { ...one.schema, description: one.description }, one.required, `in the ${one.in}`]))],
    body && [h("h3", {}, `Body, ${body.type}`), fields(Object.entries(body.schema.properties || {}).map(([name, schema]) => [name, schema, body.schema.required?.includes(name)]))],
    h("h3", {}, "Answers"),
    good.map(([status, one]) => Object.entries(one.content || { "": {} }).map(([type, content]) => {
      const schema = resolve(content.schema), example = content.example || schema.example;
      return [h("p", { class: "muted" }, [status, type, one.description || schema.title].filter(Boolean).join(" · ")),
        schema.properties && h("details", {}, h("summary", {}, `Fields of ${schema.title || "the answer"}`), schema.description && h("p", { class: "about" }, prose(schema.description)), fields(Object.entries(schema.properties).map(([name, each]) => [name, each, false]))),
        example && h("pre", { tabindex: "0" }, typeof example === "string" ? example : JSON.stringify(example, null, 2))];
    })),
    bad.length > 0 && h("details", {}, h("summary", {}, `Errors: ${bad.map(([status]) => status).join(", ")}`), h("dl", { class: "fields" }, bad.map(([status, one]) => h("div", {}, h("dt", {}, status), h("dd", {}, one.description))))),
    h("div", { class: "row between" }, h("h3", {}, "With curl"), button("copy", "Copy", () => copy(command, "Copied."), { class: "quiet small", "aria-label": `Copy the curl command of: ${operation.summary}` })),
    h("pre", { tabindex: "0" }, command));
  return { link, section };
}

async function show() {
  spec = await (await fetch("openapi.json")).json();
  const page = h("div", { class: "page narrow" }, h("h1", {}, `${spec.info.title} API`), h("p", { class: "about" }, prose(spec.info.description)),
    h("p", {}, h("a", { href: "openapi.json" }, "/openapi.json"), " is the same for programs."));
  const groups = new Map();
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const group = operation.tags?.[0] || "other";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(draw(method.toUpperCase(), path, operation));
    }
  }
  fill(calls, [...groups].map(([name, all]) => [h("h2", {}, name), all.map((one) => one.link)]));
  page.append(...[...groups.values()].flat().map((one) => one.section));
  fill(main, page);
}

show().catch((error) => fill(main, h("p", { class: "loading" }, `The description could not be read: ${error.message}`)));
