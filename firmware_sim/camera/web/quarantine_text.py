"""What the page of a camera in quarantine says, in English and Japanese; a part of firmware_sim.camera.web.text."""

QUARANTINE_TEXTS: dict[str, tuple[str, str]] = {
    "quarantine_title": ("This camera is in quarantine", "このカメラは隔離中です"),
    "quarantine_lead": (
        "Its operator has closed it to everybody: nobody can sign in or watch, and it sends nothing to anybody but its "
        "operator's server. Its passwords and recordings are as they were.",
        "運用者がこのカメラを隔離しました。誰もサインインや視聴ができず、運用者のサーバー以外とは通信しません。"
        "パスワードと録画はそのまま残っています。",
    ),
    "quarantine_reason": ("The operator's reason:", "運用者からの理由："),
    "quarantine_end": (
        "Ask your operator, who can end this from afar. Sign in again afterwards: earlier sessions are over.",
        "解除は運用者が遠隔で行えますので、運用者に問い合わせてください。それまでのサインインは無効になっています。"
        "解除後に、もう一度サインインしてください。",
    ),
    "quarantine_erase": (
        "The camera is yours: an administrator can erase it without the operator. That ends the quarantine, and takes "
        "all users, settings, reports and recordings, and the operator, from the camera.",
        "カメラの所有者は、運用者の解除を待たずに初期化できます。初期化すると隔離は終わり、利用者、設定、レポート、"
        "録画、運用者の登録はすべて消去されます。管理者のユーザー名とパスワードが必要です。",
    ),
}
