// Elements, icons and small helpers. Text enters the page only as text nodes; styles only through CSSOM.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  ask: "M4 5h16v11H9l-5 4z",
  documents: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
  verify: "M4 12l5 5L20 6M4 19h7",
  threads: "M4 6h16M4 12h16M4 18h10",
  status: "M3 12h4l3-7 4 14 3-7h4",
  supported: "M5 12.5l4.5 4.5L19 7.5",
  weak: "M4 14c3-5 5-5 8-2s5 3 8-2",
  unsupported: "M6 6l12 12M18 6L6 18",
  no_claim: "M7 12h10",
  close: "M6 6l12 12M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10 11v5M14 11v5",
  retry: "M19 8a8 8 0 1 0 1 5M19 3v5h-5",
  stop: "M6 6h12v12H6z",
  send: "M12 20V5M6 11l6-6 6 6",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  folder: "M3 6h7l2 3h9v11H3z",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  download: "M12 4v12M7 11l5 5 5-5M4 20h16",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14a8 8 0 1 1-10-10 7 7 0 0 0 10 10z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  alert: "M12 3l10 18H2zM12 10v5M12 18v.5",
  empty: "M5 4h14v16H5zM9 9h6M9 13h3",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
};

/** An element: `h("button", {class: "quiet", onclick}, "Stop")`. Strings become text, null and false are left out. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, set] of Object.entries(value)) element.style.setProperty(key, set);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "inert") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  put(element, ...children);
  return element;
}

/** Append children, flattening lists. */
export function put(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Replace everything inside. */
export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

export function icon(name, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] || "");
  svg.append(path);
  return svg;
}

/** A button with an icon; without visible words the label is its name and tooltip. */
export function button(name, label, onclick, props = {}) {
  const { words = true, ...rest } = props;
  return h(
    "button",
    { type: "button", onclick, "aria-label": words ? null : label, title: words ? null : label, ...rest },
    name && icon(name),
    words && h("span", {}, label),
  );
}

export const VERDICTS = {
  supported: "Supported",
  weak: "Weak",
  unsupported: "Not supported",
  no_claim: "No claim",
};

export function verdict(name) {
  return h("span", { class: `verdict ${name}` }, icon(name), h("span", {}, VERDICTS[name] || name));
}

/** Part of a text by code points, as the server counts characters. */
export function slice(text, start, end) {
  if (!/[\ud800-\udbff]/.test(text)) return text.slice(start, end);
  return Array.from(text).slice(start, end).join("");
}

export function length(text) {
  return /[\ud800-\udbff]/.test(text) ? Array.from(text).length : text.length;
}

// Formatters are made once: a long list writes thousands of numbers and dates.
const NUMBER = new Intl.NumberFormat("en");
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export function plural(count, one, many = `${one}s`) {
  return `${NUMBER.format(count)} ${count === 1 ? one : many}`;
}

export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  let value = bytes, unit = 0;
  while (value >= 1000 && unit < 3) { value /= 1000; unit += 1; }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function when(iso) {
  const date = new Date(iso), now = new Date(), days = (now - date) / 86_400_000;
  if (Number.isNaN(days)) return "";
  const day = date.toDateString() === now.toDateString() ? "Today" : (days > 300 ? DATE : DAY).format(date);
  return `${day}, ${TIME.format(date)}`;
}

/** Say something for a few seconds, with an optional action. */
export function toast(message, action, run) {
  const note = h("div", { class: "toast" }, h("span", {}, message));
  if (action) note.append(h("button", { type: "button", class: "link", onclick: () => { note.remove(); run(); } }, action));
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), action ? 9000 : 5000);
}

export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    const area = h("textarea", { class: "sr", value: text, "aria-label": "Text to copy" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    toast(done ? said : "The browser does not allow copying here.");
  }
}

/** Save a text or a Blob under a name. */
export function save(content, name, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Ask before something is lost. Resolves to whether the reader agreed. */
export function confirm(question, detail, action) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, question),
      h("p", {}, detail),
      h("div", { class: "row end" },
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close("") }, "Cancel"),
        h("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, action)));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}
