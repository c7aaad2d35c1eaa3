"use strict";
// Everything that comes from the data goes in as text, never as markup.
const view = document.getElementById("view");
let key = "";
let turn = 0;

function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [k, v] of Object.entries(attributes || {})) if (v !== null && v !== undefined && v !== false) made.setAttribute(k, v === true ? "" : v);
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) made.append(child);
  return made;
}
async function ask(path, options) {
  const answer = await fetch(path, { ...options, headers: key ? { Authorization: "Bearer " + key } : {} });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error || answer.statusText);
  return content;
}
const percent = (x) => (x === null || x === undefined ? "–" : (100 * x).toFixed(1) + " %");
const ms = (x) => (x === null || x === undefined ? "–" : "≤ " + (1000 * x).toLocaleString() + " ms");
const count = (x) => Number(x).toLocaleString();
const moment = (x) => new Date(1000 * x).toLocaleString();
const titled = (entry) => entry.title || entry.name || entry.product_name || String(entry.item);
const link = (to, id, text) => el("a", { href: "#" + to + "/" + encodeURIComponent(id) }, text === undefined ? String(id) : text);
const card = (name, value, note) => el("div", { class: "card" }, el("span", {}, name), el("b", {}, value), note ? el("span", {}, note) : null);
function table(names, rows, empty) {
  if (!rows.length) return el("p", { class: "soft" }, empty || "Nothing yet.");
  const head = el("tr", {}, names.map((name) => el("th", { scope: "col", class: name[1] ? "n" : null }, name[0])));
  const body = rows.map((row) => el("tr", {}, row.map((cell, at) => el("td", { class: names[at][1] ? "n" : null }, cell))));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}
function bars(values, label) {
  const ns = "http://www.w3.org/2000/svg", most = Math.max(1, ...values), svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 " + values.length * 10 + " 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  values.forEach((value, at) => {
    const bar = document.createElementNS(ns, "rect"), height = (96 * value) / most;
    for (const [k, v] of Object.entries({ x: at * 10 + 1, y: 98 - height, width: 8, height: height + 2 })) bar.setAttribute(k, v);
    svg.append(bar);
  });
  return svg;
}
function asking(name, label, value) {
  const input = el("input", { id: "asked", value: value || "", autocomplete: "off", required: true });
  const form = el("form", { role: "search" }, el("label", { for: "asked" }, label), input, el("button", {}, "Show"));
  form.addEventListener("submit", (event) => { event.preventDefault(); location.hash = name + "/" + encodeURIComponent(input.value.trim()); });
  return form;
}

async function overview() {
  const o = await ask("/v1/overview");
  const rate = o.click_rate;
  const last = o.events_per_minute;
  const sum = last.reduce((a, b) => a + b, 0);
  return [
    el("h2", {}, "Overview"),
    el("div", { class: "cards" },
      card("Events in the last hour", count(sum), count(o.events) + " is the place of the last one"),
      card("Lists in the last day", count(o.lists), "at most the latest 20,000"),
      card("Share of the tail", percent(o.tail_share), "of the items shown"),
      card("Coverage", percent(o.coverage), "of the catalogue was shown"),
      card("Click rate", rate ? percent(rate.value) : "–", rate ? percent(rate.low) + " to " + percent(rate.high) + " (95 %), " + count(rate.of) + " lists" : "no list of a user yet"),
      card("Time to answer", ms(o.latency.p50), "99 of 100: " + ms(o.latency.p99))),
    el("h2", {}, "Events a minute, last hour"),
    bars(last, "Events in each of the last 60 minutes: " + count(sum) + " in all, " + count(Math.max(...last)) + " at the most"),
    el("p", { class: "soft" }, "At the most " + count(Math.max(...last)) + " a minute. Model: " + o.model),
  ];
}

async function reasons(user, entry, cell) {
  try {
    const told = await ask("/v1/explain?user=" + encodeURIComponent(user) + "&item=" + encodeURIComponent(entry.item));
    cell.replaceChildren(el("ul", { class: "reasons" }, told.reasons.map((text) => el("li", {}, text))));
  } catch (error) { cell.replaceChildren(el("span", { class: "soft" }, error.message)); }
}

async function user(id) {
  const form = asking("user", "User", id);
  if (!id) return [el("h2", {}, "User"), form, el("p", { class: "soft" }, "Enter the id of a user: the history, and what is recommended with reasons in words.")];
  const list = await ask("/v1/recommend?preview=1&k=10&user=" + encodeURIComponent(id));
  let held = null, note = null;
  try { held = await ask("/v1/users/" + encodeURIComponent(id)); } catch (error) { note = error.message; }
  const ways = { user: "from what the model learned about this user", history: "from the history, events since the training included", popular: "what is popular: nothing is known of this user", session: "from the session" };
  const rows = list.items.map((entry) => {
    const cell = el("div", {}), ask_why = el("button", { type: "button", "aria-label": "Why " + titled(entry) }, "Why?");
    ask_why.addEventListener("click", () => reasons(id, entry, cell));
    cell.append(ask_why);
    return [link("item", entry.item, titled(entry)), Number(entry.score).toPrecision(4), cell];
  });
  const events = held ? held.events.slice(-100).reverse() : [];
  return [
    el("h2", {}, "User " + id), form,
    el("div", { class: "two" },
      el("section", {}, el("h2", {}, "Recommended"), el("p", { class: "soft" }, ways[list.source] || list.source), table([["Item"], ["Score", 1], ["Reasons"]], rows)),
      el("section", {}, el("h2", {}, "History"),
        note ? el("p", { class: "soft" }, note) : null,
        table([["Item"], ["Kind"], ["Time"]], events.map((e) => [link("item", e.item), e.kind, moment(e.time)]), "No events in the store."),
        held && held.trained_on.length ? el("p", { class: "soft" }, "The model was trained on " + count(held.trained_on.length) + " items of this user, such as ", held.trained_on.slice(0, 8).map((i, at) => [at ? ", " : "", link("item", i)])) : null)),
  ];
}

async function item(id) {
  const form = asking("item", "Item", id);
  if (!id) return [el("h2", {}, "Item"), form, el("p", { class: "soft" }, "Enter the id of an item: its columns, and the items most like it.")];
  const i = await ask("/v1/items/" + encodeURIComponent(id));
  const near = await ask("/v1/similar/" + encodeURIComponent(id) + "?k=10").catch((error) => ({ items: [], source: error.message }));
  return [
    el("h2", {}, i.title, " ", i.tail ? el("span", { class: "tail" }, "tail") : null), form,
    el("div", { class: "two" },
      el("section", {}, el("h2", {}, "Columns"), table([["Column"], ["Value"]], [["id", String(i.item)], ["users in training", count(i.users_in_training)], ...Object.entries(i.columns).map(([k, v]) => [k, Array.isArray(v) ? v.join(", ") : String(v)])])),
      el("section", {}, el("h2", {}, "Most like it"), el("p", { class: "soft" }, near.source === "content" ? "by its texts" : near.source === "model" ? "by the model" : near.source),
        table([["Item"], ["Similarity", 1]], near.items.map((e) => [link("item", e.item, titled(e)), Number(e.score).toPrecision(3)])))),
  ];
}

async function audit() {
  const a = await ask("/v1/audit");
  const total = Math.max(1, ...[Object.values(a.groups).reduce((s, g) => s + g.shown, 0)]);
  return [
    el("h2", {}, "Audit of the last day"),
    el("div", { class: "cards" },
      card("Lists", count(a.lists), a.truncated ? "the latest ones" : "all of them"),
      card("Users", count(a.users)),
      card("Items shown", count(a.items_shown), "of " + count(a.catalogue)),
      card("Gini of showings", a.gini === null ? "–" : a.gini.toFixed(3), "0: all alike, 1: one item")),
    el("h2", {}, "Groups of items"),
    table([["Group"], ["Showings", 1], ["Share", 1], ["Items shown", 1], ["Items", 1]], Object.entries(a.groups).map(([name, g]) => [name, count(g.shown), percent(g.shown / total), count(g.items), count(g.of)])),
    el("h2", {}, "Shown most"),
    table([["Item"], ["Showings", 1], ["Group"]], a.most_shown.map((e) => [link("item", e.item, e.title), count(e.shown), e.tail ? el("span", { class: "tail" }, "tail") : "head or middle"])),
  ];
}

const VIEWS = { overview, user, item, audit };
async function show() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  const chosen = VIEWS[name] ? name : "overview", mine = ++turn;
  let id = "";
  try { id = decodeURIComponent(rest.join("/")); } catch { id = ""; }
  for (const a of document.querySelectorAll("nav a")) {
    if (a.getAttribute("href") === "#" + chosen) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  let content;
  try { content = await VIEWS[chosen](id); } catch (error) {
    const again = chosen === "user" || chosen === "item" ? asking(chosen, chosen === "user" ? "User" : "Item", id) : null;
    content = [el("h2", {}, chosen[0].toUpperCase() + chosen.slice(1)), again, el("p", { class: "error", role: "alert" }, error.message)];
  }
  if (mine === turn) { view.replaceChildren(...content.flat().filter(Boolean)); view.dataset.view = chosen; }
}
document.getElementById("keyform").addEventListener("submit", (event) => {
  event.preventDefault();
  key = document.getElementById("key").value;
  document.querySelector(".key").open = false;
  show();
});
window.addEventListener("hashchange", () => show().then(() => view.focus()));
setInterval(() => { if (!document.hidden && view.dataset.view === "overview") show(); }, 10000);
show();
