"use strict";
// A password that has to be changed: the form in place of the sign-in, and the reminder on the start page.

function showDue(signIn, reply) {
  if (!reply.may_change) return notice(signIn, texts.due_not_you, "bad");
  const due = find("due");
  due.old.value = signIn.password.value;
  signIn.hidden = true;
  due.hidden = false;
  due.new.focus();
}

onSubmit(find("due"), async (form) => {
  if (form.new.value !== form.repeat.value) return notice(form, texts.passwords_differ, "bad");
  notice(form, texts.working, "busy");
  const body = { user: find("sign-in").user.value, old: form.old.value, new: form.new.value };
  const reply = await ask("POST", "/api/change-due", body);
  if (!reply.ok) return refuse(form, reply);
  const signedIn = await ask("POST", "/api/login", { user: body.user, password: body.new });
  if (signedIn.ok) return location.assign("/");
  notice(form, texts.change_done, "good");
  setTimeout(() => location.assign("/"), 1500);
});

document.addEventListener("device", (event) => {
  const old = find("old-reminder");
  const password = event.detail.password || {};
  if (!old) return;
  old.hidden = !password.due;
  old.textContent = texts.old_reminder.replace("{days}", String(password.oldest_days));
});

document.addEventListener("device", (event) => {
  const place = find("due-reminder");
  const change = event.detail.password_change || {};
  if (!place) return;
  place.hidden = !change.behind || change.stage === "ordered";
  const options = { dateStyle: "medium", timeStyle: "short" };
  const until = change.stage === "reminder" && change.restrict_at && new Intl.DateTimeFormat(language, options).format(new Date(change.restrict_at * 1000));
  const text = texts.due_reminder.replace("{count}", String(change.behind));
  place.textContent = text + (until ? texts.due_until.replace("{until}", until) : "");
});
