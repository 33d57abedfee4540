"use strict";
// What the camera has found in its own files of accounts, for an administrator. Names come from those files.

document.addEventListener("device", (event) => {
  const card = find("accounts");
  const accounts = event.detail.accounts || {};
  const found = accounts.found || [];
  if (!card) return;
  card.hidden = !found.length;
  const lines = found.map((one) => {
    const done = { true: texts.accounts_locked, false: texts.accounts_open }[one.locked] || "";
    return `${one.account || texts.accounts_file} (${one.path}): ${texts["accounts_" + one.code] || one.code}${done}`;
  });
  const more = accounts.count - found.length;
  if (more > 0) lines.push(texts.accounts_more.replace("{count}", String(more)));
  find("accounts-found").replaceChildren(...lines.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    item.className = "bad";
    return item;
  }));
});
