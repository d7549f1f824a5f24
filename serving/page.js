"use strict";

const CANDIDATES = 8;
const KINDS = 6; // colours of entities in page.css
const BASE = "none"; // the server's name for the base alone
const GAP = "[MASK]";
const TASKS = { topic: "Topic", sentiment: "Sentiment", ner: "Named entities", pos: "Parts of speech" }; // in this order
const RIGHT_TO_LEFT = ["Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"];

let token = "";
let catalogue = { adapters: [], base_fills_masks: false };

const byId = (id) => document.getElementById(id);

/** An element with properties and children; text is set as text, never as HTML. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function ask(path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error("the server cannot be reached");
  }
  const answer = await response.json().catch(() => ({ error: `status ${response.status}` }));
  if (response.status === 401) byId("token-form").hidden = false;
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Run what a form does, one at a time: with its state for screen readers, and errors at the top of the page. */
function onSubmit(form, status, work) {
  const button = form.querySelector("button:not(.plain)");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    if (status) status.textContent = "Working…";
    showProblem("");
    let done = "";
    try {
      done = await work();
    } catch (error) {
      showProblem(error.message);
    }
    button.removeAttribute("aria-disabled");
    if (status) status.textContent = done;
  });
}

function showProblem(message) {
  byId("problem").hidden = !message;
  byId("problem").textContent = message && message[0].toUpperCase() + message.slice(1);
}

/* Adapters */

async function loadAdapters() {
  catalogue = await ask("adapters");
  byId("token-form").hidden = true;
  byId("base").textContent = catalogue.base;
  // first those with task adapters, for which there is most to try
  const tasksFirst = [...catalogue.adapters].sort((left, right) => (right.kind === "task") - (left.kind === "task"));
  const languages = new Map(tasksFirst.map((one) => [one.language ?? "", one.language_name ?? "Not known"]));
  byId("language").replaceChildren(...[...languages].map(([code, name]) => new Option(name, code)));
  byId("language-choice").hidden = languages.size < 2;
  showLanguage();
}

function ofLanguage(kind) {
  return catalogue.adapters.filter((one) => one.kind === kind && (one.language ?? "") === byId("language").value);
}

/** The name of an adapter without its language, which the page shows already. */
const shortName = (name) => name.slice(name.indexOf("/") + 1);
const taskName = (task) => TASKS[task] ?? task;

function taskOrder(task) {
  const place = Object.keys(TASKS).indexOf(task);
  return place < 0 ? Infinity : place;
}

/** An adapter in words, first what tells adapters apart, as the end may be cut off: "seq_bn/text, seed 3, …". */
function description({ name, system, seed }) {
  return [system, seed == null ? null : `seed ${seed}`, shortName(name)].filter((part) => part != null).join(", ");
}

/** A choice for each adapter. */
function options(adapters) {
  return adapters.map((one) => new Option(description(one), one.name));
}

/** The fields for adapters of the chosen language. */
function showLanguage() {
  const tasks = new Map();
  for (const one of ofLanguage("task")) {
    const task = one.task ?? one.name;
    tasks.set(task, [...(tasks.get(task) ?? []), one]);
  }
  byId("task-choices").replaceChildren(
    ...[...tasks.keys()].sort((left, right) => taskOrder(left) - taskOrder(right)).map((task) => {
      const adapters = tasks.get(task);
      const select = element("select", { id: `adapter-${task}` }, ...options(adapters));
      select.dataset.task = task;
      const caption = element("label", { htmlFor: select.id }, `${taskName(task)}: adapter`);
      return element("div", { hidden: adapters.length < 2 }, caption, select);
    })
  );
  byId("sentence").hidden = !tasks.size;
  const fillers = ofLanguage("language");
  byId("gap-adapter").replaceChildren(...options(fillers));
  byId("gap").hidden = !fillers.length && !catalogue.base_fills_masks;
  byId("gap-adapter").parentElement.parentElement.hidden = fillers.length < 2;
  for (const id of ["text", "gap-text"]) setLanguage(byId(id));
  byId("labels").replaceChildren();
  byId("candidates").replaceChildren();
}

/** Tell screen readers and fonts which language a text is in, and its direction: [MASK] alone would look left to right. */
function setLanguage(shown) {
  const [code, script] = byId("language").value.split("_");
  if (code) shown.lang = `${code}-${script}`;
  else shown.removeAttribute("lang");
  shown.dir = RIGHT_TO_LEFT.includes(script) ? "rtl" : "auto";
  return shown;
}

/* Labels of a sentence */

async function label() {
  const text = byId("text").value;
  const selects = [...byId("task-choices").querySelectorAll("select")];
  const answers = await Promise.allSettled(
    selects.map((select) => ask("predict", { texts: [text], adapter: select.value }))
  );
  // A task of pairs of texts refuses a single one; the others still answer.
  const answered = answers.map((answer, index) => [selects[index].dataset.task, answer]);
  const given = answered.filter(([, answer]) => answer.status === "fulfilled");
  if (!given.length && answers.length) throw answers[0].reason;
  byId("labels").replaceChildren(...given.map(([task, answer]) => card(task, answer.value.predictions[0])));
  const refused = answered.filter(([, answer]) => answer.status === "rejected");
  return ["Done.", ...refused.map(([task, answer]) => `${taskName(task)}: ${answer.reason.message}`)].join(" ");
}

function card(task, prediction) {
  const heading = element("h3", {}, taskName(task));
  return element("section", { className: "card" }, heading, ...shownPrediction(task, prediction));
}

function shownPrediction(task, prediction) {
  if (prediction.entities) return entities(prediction.text, prediction.entities, "type");
  if (prediction.words) return entities(prediction.text, prediction.words, "label");
  if (prediction.probabilities) {
    const answer = prediction.label ?? (prediction.labels ?? []).join(", ");
    return [element("p", { className: "answer" }, answer || "None"), probabilities(task, prediction.probabilities)];
  }
  return [element("p", { className: "answer" }, String(prediction.score ?? "None"))];
}

function probabilities(task, values) {
  const rows = Object.entries(values).sort((left, right) => right[1] - left[1]);
  const body = rows.map(([name, value]) => {
    const bar = element("span");
    bar.style.width = `${100 * value}%`;
    const shown = element("td", { className: "bar" }, bar);
    shown.setAttribute("aria-hidden", "true");
    return element("tr", {}, header("row", name), element("td", { className: "number" }, percent(value)), shown);
  });
  return element("table", {}, element("caption", {}, `${taskName(task)}: probabilities`), element("tbody", {}, ...body));
}

/** The text with its labelled parts coloured and named. Offsets count characters, not the UTF-16 units of strings. */
function entities(text, parts, key) {
  const characters = Array.from(text);
  const kinds = [...new Set(parts.map((part) => part[key]))].sort();
  const shown = setLanguage(element("p", { className: "text" }));
  let end = 0;
  for (const part of parts) {
    shown.append(characters.slice(end, part.start).join(""));
    const name = element("bdi", { className: "type", lang: "en" }, part[key]);
    const mark = element("mark", { className: `kind-${kinds.indexOf(part[key]) % KINDS}` });
    mark.title = `${part[key]}, ${percent(part.probability)}`;
    mark.append(characters.slice(part.start, part.end).join(""), name);
    shown.append(mark);
    end = part.end;
  }
  shown.append(characters.slice(end).join(""));
  return parts.length ? [shown] : [shown, element("p", { className: "muted" }, "Nothing found.")];
}

/* Gaps */

async function fillGap() {
  const adapter = byId("gap-adapter").value;
  const adapters = [...(catalogue.base_fills_masks ? [BASE] : []), ...(adapter ? [adapter] : [])];
  const { predictions } = await ask("fill-mask", { texts: [byId("gap-text").value], adapters, top: CANDIDATES });
  const gaps = new Map();
  for (const one of predictions) gaps.set(one.mask, [...(gaps.get(one.mask) ?? []), one]);
  byId("candidates").replaceChildren(...[...gaps].map(([mask, columns]) => candidates(mask, columns, gaps.size)));
  return "Done.";
}

/** A table with a column for the base and one for the adapter. */
function candidates(mask, columns, count) {
  const heads = columns.map((one) => header("col", one.adapter === BASE ? "Base alone" : `With ${shortName(one.adapter)}`));
  const rows = columns[0].candidates.map((_, rank) =>
    element("tr", {}, ...columns.map((one) => element("td", {}, candidate(one.candidates[rank]))))
  );
  const caption = count > 1 ? `Most likely words for gap ${mask}` : "Most likely words";
  const head = element("thead", {}, element("tr", {}, ...heads));
  return element("table", { className: "candidates" }, element("caption", {}, caption), head, element("tbody", {}, ...rows));
}

function candidate(one) {
  const word = setLanguage(element("bdi", {}, one.token));
  word.dir = "auto"; // a piece in another script has its own direction
  return element("span", {}, word, element("span", { className: "muted" }, percent(one.probability)));
}

function header(scope, text) {
  return element("th", { scope }, text);
}

function percent(value) {
  return value >= 0.001 || value === 0 ? `${(100 * value).toFixed(1)}%` : "<0.1%";
}

function insertGap() {
  const field = byId("gap-text");
  field.setRangeText(GAP, field.selectionStart, field.selectionEnd, "end");
  field.focus();
}

onSubmit(byId("token-form"), null, () => {
  token = byId("token").value;
  return loadAdapters();
});
onSubmit(byId("sentence-form"), byId("sentence-status"), label);
onSubmit(byId("gap-form"), byId("gap-status"), fillGap);
byId("insert-gap").addEventListener("click", insertGap);
byId("language").addEventListener("change", showLanguage);
byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("sentence-form").requestSubmit();
});
loadAdapters().catch((error) => showProblem(error.message));
