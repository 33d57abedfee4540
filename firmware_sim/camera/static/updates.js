"use strict";
// The update section of the start page: what happens or waits, and what the administrator says about it.

const WINDOW = /^(daily|mon-fri|sat,sun) (\d\d:\d\d)-(\d\d:\d\d)$/;
const BEFORE_RESTART = ["reading_tree", "installing", "reading_back", "waiting"];
let settingsKnown = "";

function put(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function show(id, text) {
  const place = find(id);
  place.textContent = text;
  place.hidden = text === "";
}

// "2026-11-23 03:00", the camera's local time, as people of this language write it.
function moment(local) {
  const at = new Date(local.replace(" ", "T") + ":00Z");
  const parts = { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false };
  return new Intl.DateTimeFormat(language, { ...parts, timeZone: "UTC" }).format(at);
}

function headline(update, version) {
  if (update.phase === "waiting") return put(texts.updates_ready, { version: update.to });
  const phase = texts["phase_" + update.phase] || update.phase;
  if (update.phase === "idle" && !update.waits) return put(texts.updates_idle, { version });
  return update.to ? put(texts.updates_coming, { version: update.to, phase }) : phase;
}

function limit(update) {
  if (update.postpone_limit) return put(texts.updates_limit, { until: moment(update.postpone_limit) });
  if (update.severity === "critical") return texts.updates_critical;
  return update.waits ? texts.updates_no_limit : "";
}

function showUpdate(device) {
  const update = device.update || {};
  show("updates-headline", headline(update, device.version));
  const waits = update.waits ? texts["updates_waits_" + update.waits] || update.waits : "";
  show("updates-why", put(waits, { until: update.until ? moment(update.until) : "" }));
  show("updates-severity", update.severity ? texts["severity_" + update.severity] || update.severity : "");
  find("updates-severity").className = "severity " + (/^[a-z]+$/.test(update.severity) ? update.severity : "");
  const progress = find("updates-progress");
  progress.hidden = update.progress_percent === undefined;
  progress.value = update.progress_percent || 0;
  if (!find("update-now")) return;
  const busy = !BEFORE_RESTART.includes(update.phase) && !["idle", "checking"].includes(update.phase);
  find("update-now").hidden = busy || (!update.to && (device.enrolment || {}).phase !== "enrolled");
  find("postpone").hidden = !update.postpone_limit;
  show("updates-limit", limit(update));
  showSettings(device.schedule || { windows: "", time_zone: "UTC0" });
}

// Only when they have changed at the camera, so that nothing is taken out of a person's hands.
function showSettings(known) {
  const set = JSON.stringify(known);
  if (set === settingsKnown) return;
  settingsKnown = set;
  const one = WINDOW.exec(known.windows);
  find("days").value = known.windows === "" ? "any" : one ? one[1] : "other";
  if (one) [find("from").value, find("to").value] = [one[2], one[3]];
  find("windows").value = known.windows;
  find("zone").value = known.time_zone;
  find("updates-set").textContent = known.windows === "" ? texts.updates_at_any_time : chosenText(known);
  showFields();
}

function chosenText(known) {
  const option = find("days").selectedOptions[0];
  if (option.value === "other") return known.windows;
  return `${option.textContent} ${find("from").value}–${find("to").value} (${known.time_zone})`;
}

function showFields() {
  const days = find("days").value;
  for (const field of document.querySelectorAll("[data-window]")) field.hidden = days === "any" || days === "other";
  for (const field of document.querySelectorAll("[data-other]")) field.hidden = days !== "other";
}

function windowsText() {
  const days = find("days").value;
  if (days === "any") return "";
  return days === "other" ? find("windows").value : `${days} ${find("from").value}-${find("to").value}`;
}

function tell(reply, done) {
  show("updates-notice", reply.ok ? done : explain(reply));
  find("updates-notice").className = "notice " + (reply.ok ? "good" : "bad");
  refreshDevice();
}

document.addEventListener("device", (event) => showUpdate(event.detail));

onSubmit(find("update-now"), async () => {
  const waits = !find("updates-why").hidden;
  tell(await ask("POST", "/api/update-now", {}), waits ? texts.updates_now_done : texts.updates_now_looking);
});

onSubmit(find("postpone"), async (form) => {
  tell(await ask("POST", "/api/postpone", { hours: form.hours.value }), texts.updates_postponed);
});

onSubmit(find("settings"), async (form) => {
  const reply = await ask("POST", "/api/settings", { windows: windowsText(), time_zone: find("zone").value.trim() });
  if (!reply.ok) return notice(form, explain(reply), "bad");
  notice(form, texts.updates_settings_done, "good");
  refreshDevice();
});

if (find("days")) find("days").addEventListener("change", showFields);
