"use strict";
// WS-UsernameToken for old ONVIF clients: who has it, on with a secret that is shown once, and off.

async function showWsUsers() {
  const form = find("ws");
  const reply = await ask("GET", "/api/ws-tokens");
  form.hidden = !(reply.ok && reply.allowed);
  if (!form.hidden) find("ws-users").textContent = reply.users.length ? texts.ws_users.replace("{users}", reply.users.join(", ")) : texts.ws_nobody;
}

async function changeWs(form, path, body, done) {
  find("ws-token").hidden = true;
  find("ws-token").textContent = "";
  notice(form, texts.working, "busy");
  const reply = await ask("POST", path, body);
  form.password.value = "";
  if (!reply.ok) return notice(form, explain(reply), "bad");
  done(reply);
  await showWsUsers();
}

onSubmit(find("ws"), (form) =>
  changeWs(form, "/api/ws-token-on", { user: form.user.value, password: form.password.value }, (reply) => {
    notice(form, texts.ws_shown_once, "good");
    find("ws-token").textContent = reply.token;
    find("ws-token").hidden = false;
  }));

if (find("ws")) {
  find("ws-off").addEventListener("click", () => {
    const form = find("ws");
    changeWs(form, "/api/ws-token-off", { user: form.user.value }, () => notice(form, texts.ws_is_off, "good"));
  });
  showWsUsers();
}
