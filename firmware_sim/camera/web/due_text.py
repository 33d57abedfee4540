"""What the web service says to somebody whose password has to be changed, in English and Japanese."""

DUE_TEXTS: dict[str, tuple[str, str]] = {
    "due_title": ("Change your password", "パスワードの変更が必要です"),
    "due_lead": (
        "The operator of this camera asks for a new password. The present one opens nothing any more but this form. "
        "Nobody but you chooses or sees the new one.",
        "このカメラの運用者が、パスワードの変更を求めています。現在のパスワードで行える操作は、この画面での変更だけです。"
        "新しいパスワードを決めるのはあなた自身で、運用者には知らされません。",
    ),
    "due_not_you": (
        "The operator of this camera asks for new passwords, and the time to change yours yourself is over. "
        "Ask an administrator of the camera to give you a new one.",
        "このカメラの運用者が、パスワードの変更を求めています。ご自身で変更できる期間は終了しました。"
        "カメラの管理者に、新しいパスワードの設定を依頼してください。",
    ),
    "due_button": ("Change and go on", "変更して続ける"),
    "due_reminder": (
        "The operator asks that passwords on this camera be changed. Accounts with an old one: {count}.",
        "運用者が、このカメラのパスワードの変更を求めています。変更が済んでいないアカウント数：{count}",
    ),
    "due_until": (
        " From {until} on, an old password opens nothing else.",
        " {until} 以降は、変更以外の操作ができなくなります。",
    ),
    "old_reminder": (
        "The oldest password on this camera is {days} days old. Nobody has to change it; whoever may have learnt it "
        "in all that time is a reason to.",
        "このカメラで最も古いパスワードは、設定から {days} 日が経過しています。変更は必須ではありませんが、他人に"
        "知られた可能性がある場合は変更してください。",
    ),
    "error_change_required": (
        "This password has to be changed before anything else.",
        "先にこのパスワードの変更が必要です。",
    ),
}
