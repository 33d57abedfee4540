"""What the section about SSH says, in English and Japanese; a part of firmware_sim.camera.web.text."""

SSH_TEXTS: dict[str, tuple[str, str]] = {
    "ssh_title": ("SSH for maintenance", "保守用SSH"),
    "ssh_lead": (
        "Closed unless you open it. It ends by itself, and with every change of a user or password. "
        "You log in with a password that the camera draws for this time; your own does not work there.",
        "通常は閉じています。開けても、指定した時間が過ぎるか、ユーザーやパスワードが変更されると自動的に閉じます。"
        "ログインには、カメラがその都度発行するパスワードを使います。普段のパスワードは使えません。",
    ),
    "ssh_for": ("Open for", "開けておく時間"),
    "ssh_minutes": ("minutes", "分"),
    "ssh_button": ("Open SSH", "SSHを開ける"),
    "ssh_close_button": ("Close SSH now", "SSHを今すぐ閉じる"),
    "ssh_drawn": ("Password, shown this once:", "パスワード（表示は今回だけです）："),
    "ssh_use": ("ssh -p {port} {user}@{host}", "ssh -p {port} {user}@{host}"),
    "ssh_closed": ("SSH is closed.", "SSHは閉じています。"),
    "ssh_open": (
        "SSH is open for {user}, for {minutes} more minutes at most.",
        "SSHは {user} 用に開いています（残り最長{minutes}分）。",
    ),
}
