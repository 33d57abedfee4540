"use strict";
// Video without encryption: opened with a box ticked and the password once more, for the port that is shown here.

let plainPort = "";

function showPlain(plain) {
  const form = find("plain");
  if (!form) return;
  form.hidden = !plain || plain.open === undefined;
  if (form.hidden) return;
  plainPort = String(plain.port);
  const local = (text) => new Date(text).toLocaleString(document.documentElement.lang);
  const state = find("plain-state");
  state.textContent = !plain.open ? texts.plain_closed : texts.plain_open.replace("{port}", plainPort)
    .replace("{since}", local(plain.since)).replace("{until}", local(plain.until)).replace("{user}", plain.user);
  state.classList.toggle("alarm", plain.open);
  find("plain-close").hidden = !plain.open;
  const sent = plain.sent || [];
  find("plain-sent").hidden = !sent.length;
  find("plain-sent").textContent = texts.plain_sent.replace("{users}", () => sent.join(", "));
}

document.addEventListener("device", (event) => showPlain(event.detail.plain_rtsp));

onSubmit(find("plain"), async (form) => {
  if (!form.sure.checked) return notice(form, texts.sure_first, "bad");
  const order = { password: form.password.value, port: plainPort, days: form.days.value };
  const reply = await ask("POST", "/api/open-plain-rtsp", order);
  if (!reply.ok) return refuse(form, reply);
  form.reset();
  form.querySelector("[data-notice]").hidden = true;
  showPlain(reply);
});

if (find("plain")) find("plain-close").addEventListener("click", async () => {
  const reply = await ask("POST", "/api/close-plain-rtsp", {});
  if (!reply.ok) return refuse(find("plain"), reply);
  showPlain(reply);
});
