"""What the dashboard says of commands: what each does, what it is asked for, and what became of it."""

COMMAND_TEXTS: dict[str, tuple[str, str]] = {
    "command_sure": ("Send: {}?", "「{}」を送りますか？"),
    "command_check": ("Look for updates", "更新の確認"),
    "command_evidence": ("Collect evidence", "エビデンスの収集"),
    "command_reboot": ("Restart", "再起動"),
    "command_quarantine": ("Quarantine", "隔離"),
    "command_release": ("Release from quarantine", "隔離の解除"),
    "command_settings": ("This server's settings", "このサーバーの設定を適用"),
    "command_rotate_identity": ("New identity key", "機器の鍵の更新"),
    "command_erase": ("Erase", "初期化"),
    "command_change_keys": ("Change keys", "鍵の変更"),
    "command_does_check": (
        "The camera asks now what is assigned to it. What it installs is decided by signed releases alone.",
        "カメラが割り当ての内容を今すぐ確認します。インストールの可否は署名されたリリースだけで決まります。",
    ),
    "command_does_evidence": (
        "The camera tests itself and sends a signed report.",
        "カメラが自己診断を行い、署名した報告を送ります。",
    ),
    "command_does_reboot": (
        "The camera restarts: pictures and recording stop for about a minute. It waits for an update under way.",
        "カメラが再起動します。映像と録画は1分ほど止まります。更新中の場合は終わるまで待ちます。",
    ),
    "command_does_quarantine": (
        "Nobody can sign in or watch, and the camera's other programs are cut off, until you release it. "
        "Updates, commands and evidence go on. Its owner can erase it.",
        "解除するまで、誰もサインインや視聴ができず、カメラ内のほかのプログラムの通信も遮断されます。"
        "更新、コマンド、エビデンスは続きます。所有者はカメラを初期化できます。",
    ),
    "command_does_release": (
        "The camera lets people in again. Everybody has to sign in anew.",
        "カメラの利用を再開します。利用者は改めてサインインする必要があります。",
    ),
    "command_does_settings": (
        "The camera gets the intervals and the line that this server's settings name now.",
        "このサーバーの現在の設定（確認・測定の間隔、回線の種類）をカメラに適用します。",
    ),
    "site_proxy": (
        "HTTP proxy of the site, or none (with the settings command alone)",
        "設置先の HTTP プロキシ（「設定を適用」のみ。使わない場合は none）",
    ),
    "proxy": ("HTTP proxy", "HTTP プロキシ"),
    "no_proxy": ("none: the camera connects without one", "なし（直接接続）"),
    "command_does_proxy": (
        "The camera gets this proxy and none of the other settings. It connects anew by it; when no connection stands "
        "for 15 minutes, it goes back to what it had before and says so.",
        "このプロキシだけをカメラに適用し、ほかの設定は変えません。カメラは新しい経路で接続し直し、"
        "15分以内に接続できない場合は元の設定に戻して報告します。",
    ),
    "command_does_rotate_identity": (
        "The camera makes another key for its identity. The old one counts until the new one has connected. "
        "Its id stays.",
        "カメラが機器の鍵を作り直します。新しい鍵で接続できるまで、古い鍵も有効です。機器 ID は変わりません。",
    ),
    "unable": ("Not possible", "送信できないカメラ"),
    "unable_note": (
        "{} of these take no commands of this server and get none.",
        "{} 台はこのサーバーのコマンドを受け付けないため、送信されません。",
    ),
    "quarantine_shown": (
        "The reason is shown as it is to whoever opens the camera's page.",
        "理由は、カメラの画面を開いた人にそのまま表示されます。",
    ),
    "quarantine_no_reason": (
        "Without a reason the camera's page cannot say why.",
        "理由がないと、カメラの画面に隔離の理由が表示されません。",
    ),
    "do_not": ("Do not send", "送らない"),
    "send_to": ("Send (cameras: {})", "{} 台に送信"),
    "command_state_queued": ("waits", "送信待ち"),
    "command_state_delivered": ("sent", "送信済み"),
    "command_state_accepted": ("under way", "実行中"),
    "command_state_done": ("done", "完了"),
    "command_state_refused": ("refused", "拒否"),
    "command_state_expired": ("expired", "期限切れ"),
    "command_code_replayed": ("already used or out of order", "使用済み、または順序違い"),
    "command_code_expired": ("too late by the camera's time", "カメラの時刻で期限切れ"),
    "command_code_future": ("from the future by the camera's time", "カメラの時刻より未来"),
    "command_code_busy": ("an update went on for too long", "更新が長引いたため"),
    "command_code_unknown_command": ("the camera's software is older", "カメラのソフトウェアが未対応"),
    "command_code_arguments": ("the camera cannot take this", "カメラが受け付けない内容"),
    "command_code_failed": ("did not work on the camera", "カメラ側で失敗"),
    "command_code_no_firewall": ("other programs could not be cut off", "ほかのプログラムの通信は遮断できず"),
    "command_code_unanswered": ("never came to an end", "結果の報告なし"),
    "command_code_keys_changed": ("signed by keys of before", "以前の鍵による署名"),
}
