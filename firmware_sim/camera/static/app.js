"use strict";
// The behaviour of every page. Text reaches the page through textContent alone, never as markup.

const texts = JSON.parse(document.body.dataset.texts);
const page = document.body.dataset.page;
const language = document.documentElement.lang;
const find = (id) => document.getElementById(id);

const RULES_AFTER_MS = 250;
const PICTURE_EVERY_MS = 1000;
const DEVICE_EVERY_MS = 5000;
const COME_BACK_EVERY_MS = 5000;

async function ask(method, path, body, headers) {
  const options = { method, headers: { ...headers }, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, options);
    return await response.json();
  } catch {
    return { ok: false, code: "network" };
  }
}

function explain(reply) {
  const text = texts["error_" + reply.code] || texts.error_bad_request;
  return text.replace("{seconds}", String(reply.retry_after_s || 1)) + (reply.detail ? ` (${reply.detail})` : "");
}

function notice(form, text, kind) {
  const place = form.querySelector("[data-notice]");
  place.textContent = text;
  place.className = "notice " + kind;
  place.hidden = false;
}

function onSubmit(form, send) {
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      await send(form);
    } finally {
      button.disabled = false;
    }
  });
}

function showRules(violations) {
  const items = violations.length ? violations.map((v) => [v[language] || v.code, "bad"]) : [[texts.rules_met, "good"]];
  listRules(items);
}

function listRules(items) {
  find("rules").replaceChildren(...items.map(([text, kind]) => {
    const item = document.createElement("li");
    item.textContent = text;
    item.className = kind;
    return item;
  }));
}

function watchPassword() {
  const password = find("password");
  const again = find("again");
  const user = find("user");
  if (!password || !again) return;
  let timer = 0;
  let round = 0;
  const check = async () => {
    if (!password.value) return listRules([[texts.rules_waiting, "waiting"]]);
    const mine = ++round;
    const reply = await ask("POST", "/api/policy", { user: user.value, password: password.value });
    if (mine !== round) return;
    if (reply.ok) showRules(reply.violations || []);
    else listRules([[texts.rules_unknown, "waiting"]]);
  };
  const compare = () => {
    const match = find("match");
    const same = password.value === again.value;
    match.textContent = again.value ? (same ? texts.passwords_same : texts.passwords_differ) : "";
    match.className = "match " + (same ? "good" : "bad");
  };
  for (const field of [password, user]) {
    field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(check, RULES_AFTER_MS); compare(); });
  }
  again.addEventListener("input", compare);
  const show = find("show");
  if (show) show.addEventListener("change", () => { password.type = again.type = show.checked ? "text" : "password"; });
}

function refuse(form, reply) {
  if (reply.code === "policy") showRules(reply.violations || []);
  if (reply.code === "signed_out") location.assign("/");
  notice(form, explain(reply), "bad");
}

function groupCode() {
  const code = find("code");
  if (!code) return;
  code.addEventListener("input", () => {
    if (code.selectionStart !== code.value.length) return;
    const letters = code.value.toUpperCase().replace(/[^A-Z0-9]/g, "").slice(0, 16);
    code.value = letters.replace(/(.{4})(?=.)/g, "$1-");
  });
}

onSubmit(find("claim"), async (form) => {
  if (form.password.value !== form.again.value) return notice(form, texts.passwords_differ, "bad");
  notice(form, texts.working, "busy");
  const body = { code: form.code.value, user: form.user.value, password: form.password.value };
  const reply = await ask("POST", "/api/claim", body);
  if (reply.ok) location.assign("/");
  else refuse(form, reply);
});

onSubmit(find("sign-in"), async (form) => {
  const reply = await ask("POST", "/api/login", { user: form.user.value, password: form.password.value });
  if (reply.ok) location.assign("/");
  else if (reply.code === "change_required") showDue(form, reply);
  else refuse(form, reply);
});

onSubmit(find("enrol"), async (form) => {
  const reply = await ask("POST", "/api/enrol", { token: form.token.value.trim() });
  if (!reply.ok) return refuse(form, reply);
  form.reset();
  notice(form, texts.enrol_started, "good");
});

// What cannot be undone: the box ticked, the password given once more. Then the camera restarts.
function onConfirmed(form, send) {
  onSubmit(form, async () => {
    if (!form.sure.checked) return notice(form, texts.sure_first, "bad");
    const reply = await send();
    form.password.value = "";
    if (!reply.ok) return refuse(form, reply);
    form.reset();
  });
}

function comeBack(form) {
  notice(form, texts.restarting, "busy");
  const again = async () => {
    const reply = await ask("GET", "/api/state");
    if (reply.ok) location.assign("/");
    else setTimeout(again, COME_BACK_EVERY_MS);
  };
  setTimeout(again, COME_BACK_EVERY_MS);
}

for (const name of ["disown", "erase"]) {
  const form = find(name);
  onConfirmed(form, async () => {
    const reply = await ask("POST", "/api/" + name, { password: form.password.value });
    if (reply.ok) comeBack(form);
    return reply;
  });
}

onConfirmed(find("erase-locked"), async () => {
  const form = find("erase-locked");
  const reply = await ask("POST", "/api/erase-locked", { user: form.user.value, password: form.password.value });
  if (reply.ok) comeBack(form);
  return reply;
});

onConfirmed(find("transfer"), async () => {
  const form = find("transfer");
  const body = { password: form.password.value, token: form.token.value.trim() };
  const reply = await ask("POST", "/api/transfer", body);
  if (reply.ok) notice(form, texts.transfer_started, "good");
  return reply;
});

onSubmit(find("change"), async (form) => {
  if (form.password.value !== form.again.value) return notice(form, texts.passwords_differ, "bad");
  notice(form, texts.working, "busy");
  const reply = await ask("POST", "/api/change-password", { old: form.old.value, new: form.password.value });
  if (!reply.ok) return refuse(form, reply);
  notice(form, texts.change_done, "good");
  setTimeout(() => location.assign("/"), 1500);
});

function flat(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value !== "object") return String(value);
  return Object.values(value).map(flat).join(" ");
}

// How each fact of the page is told from the device's status.
const facts = {
  update: (device) => {
    const update = device.update || {};
    const progress = update.progress_percent === undefined ? "" : ` ${update.progress_percent} %`;
    return [texts["phase_" + update.phase] || update.phase, update.to, progress].filter(Boolean).join(" ");
  },
  last_result: (device) => (device.update || {}).last_result,
  enrolment: (device) => (device.transfer || {}).problem || (device.enrolment || {}).problem,
  // What stands in the way, by its code; one that this page does not know is shown in the agent's own words.
  link: (device) => texts["link_" + (device.link_trouble || device.link)] || device.link,
  server: (device) => [device.operator, device.server].filter(Boolean).join(", ") || texts.server_none,
};

async function refreshDevice() {
  const reply = await ask("GET", "/api/device");
  if (reply.code === "signed_out") return document.body.dataset.stay || location.assign("/");
  if (!reply.ok) return;
  const phase = (reply.enrolment || {}).phase || "none";
  for (const form of document.querySelectorAll("[data-when]")) form.hidden = !form.dataset.when.split(" ").includes(phase);
  for (const place of document.querySelectorAll("[data-fact]")) {
    const name = place.dataset.fact;
    place.textContent = flat(facts[name] ? facts[name](reply) : reply[name]);
  }
  document.dispatchEvent(new CustomEvent("device", { detail: reply }));
}

function refreshPicture() {
  const picture = find("picture");
  const next = new Image();
  const again = () => setTimeout(refreshPicture, PICTURE_EVERY_MS);
  next.onload = () => { picture.src = next.src; find("picture-note").textContent = ""; again(); };
  next.onerror = () => { find("picture-note").textContent = texts.live_stopped; again(); };
  next.src = "/snapshot.jpg?at=" + Date.now();
}

function row(cells, tag) {
  const line = document.createElement("tr");
  for (const [text, kind] of cells) {
    const cell = document.createElement(tag);
    cell.textContent = text;
    if (kind) cell.className = kind;
    line.append(cell);
  }
  return line;
}

function findingRow(finding, title) {
  const verdict = String(finding.verdict || "");
  const basis = texts["basis_" + String(finding.basis).split(" ")[0].replace("not", "not_assessed")] || finding.basis;
  const name = [finding.criterion, title[language]].filter(Boolean).join(" ");
  const kind = "verdict " + (/^[A-Z]+$/.test(verdict) ? verdict : "");
  return row([[name], [verdict, kind], [flat(basis)], [flat(finding.reason)]], "td");
}

async function showEvidence() {
  const reply = await ask("GET", "/api/evidence");
  const place = find("evidence");
  const findings = reply.findings || [];
  if (!findings.length) {
    place.textContent = reply.ok === false ? explain(reply) : texts.error_no_evidence;
    return;
  }
  const table = document.createElement("table");
  const titles = ["evidence_criterion", "evidence_verdict", "evidence_basis", "evidence_reason"];
  table.append(row(titles.map((name) => [texts[name]]), "th"));
  for (const finding of findings) table.append(findingRow(finding, (reply.titles || {})[finding.criterion] || {}));
  place.replaceChildren(table);
}

watchPassword();
groupCode();
if (page === "home") {
  refreshDevice();
  setInterval(refreshDevice, DEVICE_EVERY_MS);
  setTimeout(refreshPicture, PICTURE_EVERY_MS);
  find("evidence-button").addEventListener("click", showEvidence);
  find("sign-out").addEventListener("click", async () => { await ask("POST", "/api/logout", {}); location.assign("/"); });
}
