"use strict";
// Updates without a server: what is announced, one click, and the upload of a bundle. Uses the helpers of app.js.

const OFFER_EVERY_MS = 15000;
const PIECE_BYTES = 60 * 1024; // the camera takes 64 KiB at a time
const PIECE_TRIES = 5;
const PIECE_AGAIN_MS = 1000;

// Refusals come as "name: detail"; most names have a text of their own.
function explainRefusal(reply) {
  const name = String(reply.detail || "").split(":")[0];
  if (reply.code !== "bad_request" || !texts["refused_" + name]) return explain(reply);
  const exact = reply.detail.slice(name.length + 1).trim();
  return `${texts.refused} ${texts["refused_" + name]} (${exact})`;
}

function refuseUpdate(form, reply) {
  if (reply.code === "signed_out") return location.assign("/");
  notice(form, explainRefusal(reply), "bad");
}

function showOffer(offer) {
  find("offer").hidden = !offer;
  find("offer-none").hidden = Boolean(offer);
  if (!offer) return;
  const running = document.querySelector("[data-fact=version]").textContent;
  find("offer-severity").textContent = texts["offer_severity_" + offer.severity] || offer.severity;
  find("offer-severity").className = "severity " + (/^[a-z]+$/.test(offer.severity) ? offer.severity : "");
  find("offer-version").textContent = `${texts.offer_new} ${offer.version}  (${texts.offer_running} ${running})`;
  find("offer-notes").textContent = (offer.notes || {})[language] || "";
  find("offer-support").textContent = `${texts.offer_support} ${offer.support_ends}`;
  if (find("install")) find("install").dataset.version = offer.version;
}

async function refreshOffer() {
  const reply = await ask("GET", "/api/offer");
  if (reply.ok) showOffer(reply.offer);
  const device = await ask("GET", "/api/device");
  if (!device.ok) return;
  const problem = (device.offer || {}).problem || "";
  find("offer-problem").hidden = !problem;
  find("offer-problem").textContent = problem && `${texts.offer_problem} ${problem}`;
}

onSubmit(find("install"), async (form) => {
  const reply = await ask("POST", "/api/install", { version: form.dataset.version });
  if (reply.ok) notice(form, texts.install_started, "good");
  else refuseUpdate(form, reply);
});

async function sendPiece(at, piece, ticket) {
  const headers = { "Content-Type": "application/octet-stream", "Camward-Upload": ticket };
  const options = { method: "POST", headers, credentials: "same-origin", cache: "no-store", body: piece };
  let reply = { ok: false, code: "network" };
  for (let tries = 0; tries < PIECE_TRIES; tries += 1) {
    try {
      const response = await fetch("/api/bundle/piece?at=" + at, options);
      reply = await response.json();
    } catch {
      reply = { ok: false, code: "network" };
    }
    if (reply.code !== "network") return reply;
    await new Promise((resolve) => setTimeout(resolve, PIECE_AGAIN_MS));
  }
  return reply;
}

async function upload(form, file) {
  const begun = await ask("POST", "/api/bundle", { length: String(file.size) });
  if (!begun.ok) return begun;
  const bar = find("bundle-progress");
  bar.hidden = false;
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    const reply = await sendPiece(at, file.slice(at, at + PIECE_BYTES), begun.ticket);
    if (!reply.ok) return reply;
    bar.value = Math.floor((100 * Math.min(at + PIECE_BYTES, file.size)) / file.size);
    notice(form, texts.bundle_uploading.replace("{percent}", String(bar.value)), "busy");
  }
  notice(form, texts.bundle_verifying, "busy");
  return ask("POST", "/api/bundle/install", {}, { "Camward-Upload": begun.ticket });
}

onSubmit(find("bundle"), async (form) => {
  const file = find("bundle-file").files[0];
  if (!file) return notice(form, texts.bundle_choose, "bad");
  // The session may end before the upload does; the page stays until it is through.
  document.body.dataset.stay = "1";
  const reply = await upload(form, file);
  delete document.body.dataset.stay;
  find("bundle-progress").hidden = true;
  if (!reply.ok) return refuseUpdate(form, reply);
  form.reset();
  notice(form, texts.install_started, "good");
});

if (page === "home") {
  setTimeout(refreshOffer, 0);
  setInterval(refreshOffer, OFFER_EVERY_MS);
}
