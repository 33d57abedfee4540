"use strict";
// SSH for maintenance: opened with the password once more; the drawn password is shown once, and kept nowhere.

function showSsh(ssh) {
  const form = find("ssh");
  if (!form) return;
  form.hidden = !ssh || ssh.open === undefined;
  if (form.hidden) return;
  const open = texts.ssh_open.replace("{user}", ssh.user).replace("{minutes}", String(Math.ceil(ssh.ends_in_s / 60)));
  find("ssh-state").textContent = ssh.open ? open : texts.ssh_closed;
  find("ssh-close").hidden = !ssh.open;
  if (!ssh.open) hideDrawn();
}

function hideDrawn() {
  find("ssh-drawn").hidden = true;
  find("ssh-secret").textContent = "";
}

document.addEventListener("device", (event) => showSsh(event.detail.ssh));

onSubmit(find("ssh"), async (form) => {
  hideDrawn();
  notice(form, texts.working, "busy");
  const reply = await ask("POST", "/api/open-ssh", { password: form.password.value, minutes: form.minutes.value });
  if (!reply.ok) return refuse(form, reply);
  form.reset();
  form.querySelector("[data-notice]").hidden = true;
  showSsh({ ...reply, open: true });
  find("ssh-secret").textContent = reply.password;
  const use = texts.ssh_use.replace("{port}", String(reply.port)).replace("{user}", reply.user);
  find("ssh-use").textContent = use.replace("{host}", location.hostname);
  find("ssh-drawn").hidden = false;
});

if (find("ssh")) find("ssh-close").addEventListener("click", async () => {
  const reply = await ask("POST", "/api/close-ssh", {});
  if (!reply.ok) return refuse(find("ssh"), reply);
  showSsh({ open: false });
});
