"""What the form for WS-UsernameToken says, in English and Japanese; a part of firmware_sim.camera.web.text."""

WS_TOKENS: dict[str, tuple[str, str]] = {
    "ws_title": ("Old ONVIF clients", "旧式の ONVIF クライアント"),
    "ws_lead": (
        "Recorders that know no HTTP digest log in by WS-UsernameToken. For them the camera makes a secret of its own, "
        "one for each user, which opens ONVIF and nothing else. Switch it on only where a recorder needs it, and enter "
        "the secret there in place of the password.",
        "HTTPダイジェスト認証に対応していないレコーダーは、WS-UsernameToken でログインします。"
        "そのために、ONVIF だけで使える専用のシークレットをユーザーごとにカメラが作成します。"
        "レコーダーに必要な場合だけ有効にし、パスワードの代わりにこのシークレットを入力してください。",
    ),
    "ws_on_button": ("Switch on, with a new secret", "有効にして新しいシークレットを作成"),
    "ws_off_button": ("Switch off for this user", "このユーザーについて無効にする"),
    "ws_shown_once": (
        "This is the secret. It is shown once; write it down or enter it in the recorder now.",
        "シークレットです。表示されるのは今回だけです。すぐにレコーダーに入力するか、控えてください。",
    ),
    "ws_is_off": ("Switched off.", "無効にしました。"),
    "ws_users": ("Switched on for: {users}", "有効なユーザー：{users}"),
    "ws_nobody": ("Switched on for nobody.", "有効なユーザーはいません。"),
    "error_clock": (
        "The camera does not know for certain what time it is, and needs that for this. It asks its server; try again "
        "in some minutes.",
        "カメラが正しい時刻を確認できていないため、この操作はできません。サーバーに問い合わせていますので、数分後にもう一度お試しください。",
    ),
}
"""Key to (English, Japanese)."""
