"""What the update section says, in English and Japanese; a part of firmware_sim.camera.web.text."""

UPDATES: dict[str, tuple[str, str]] = {
    "updates_title": ("Updates", "アップデート"),
    "updates_progress": ("Progress of the installation", "インストールの進み具合"),
    "updates_idle": (
        "No update is waiting. Running: {version}",
        "待機中の更新はありません（現在のバージョン：{version}）",
    ),
    "updates_coming": ("Version {version}: {phase}", "バージョン {version}：{phase}"),
    "updates_ready": ("Version {version} is ready to start", "バージョン {version} の準備ができました"),
    "updates_waits_window": (
        "The camera restarts into it in its maintenance window: {until}. The picture is gone for about a minute then.",
        "{until} からのメンテナンス時間帯に再起動して切り替わります。その際、映像が1分ほど止まります。",
    ),
    "updates_waits_postponed": (
        "Postponed. The camera restarts into it on {until}.",
        "延期中です。{until} に再起動して切り替わります。",
    ),
    "updates_waits_clock": (
        "The camera does not know for sure what time it is, and waits for its server to tell. If none does, it uses "
        "its own clock after a day.",
        "正しい時刻を確認できないため、サーバーからの時刻を待っています。確認できない場合は、1日後にカメラ自身の時計を使います。",
    ),
    "updates_now": (
        "It does not wait: the camera restarts as soon as it is ready.",
        "待たずに、準備ができ次第再起動します。",
    ),
    "updates_now_button": ("Update now", "今すぐ更新"),
    "updates_now_done": (
        "The camera restarts now to update. This page comes back by itself.",
        "更新のため、カメラが再起動します。この画面は自動的に戻ります。",
    ),
    "updates_now_looking": (
        "The camera looks for an update. What it finds is installed at once.",
        "更新を確認しています。見つかった場合は、すぐにインストールします。",
    ),
    "updates_postpone_for": ("Postpone for", "延期する期間"),
    "updates_postpone_button": ("Postpone", "延期する"),
    "updates_postponed": ("Postponed.", "延期しました。"),
    "updates_12_hours": ("12 hours", "12時間"),
    "updates_24_hours": ("1 day", "1日"),
    "updates_72_hours": ("3 days", "3日"),
    "updates_168_hours": ("1 week", "1週間"),
    "updates_limit": ("It can be postponed until {until}, and no longer.", "延期できるのは {until} までです。"),
    "updates_critical": (
        "A critical update closes a hole that is being used. It cannot be postponed.",
        "緊急の更新は、悪用されている弱点を修正するものです。延期できません。",
    ),
    "updates_no_limit": ("It cannot be postponed any longer.", "これ以上は延期できません。"),
    "updates_when": ("When may an update restart the camera?", "再起動してよい時間帯"),
    "updates_when_lead": (
        "Downloads run at any time and do not disturb the picture. Only the restart waits; critical updates do not.",
        "ダウンロードは映像を止めずにいつでも行われます。待つのは再起動だけです。緊急の更新は待たずに適用されます。",
    ),
    "updates_at_any_time": ("at any time", "いつでも"),
    "updates_days": ("Days", "曜日"),
    "updates_days_any": ("at any time", "いつでも"),
    "updates_days_daily": ("every day", "毎日"),
    "updates_days_mon-fri": ("Monday to Friday", "平日"),
    "updates_days_sat-sun": ("weekend", "土日"),
    "updates_days_other": ("other", "その他"),
    "updates_from": ("From", "開始"),
    "updates_to": ("To", "終了"),
    "updates_windows": (
        "For example: mon-fri 01:30-04:00; sat,sun 23:00-05:00",
        "例：mon-fri 01:30-04:00; sat,sun 23:00-05:00",
    ),
    "updates_zone": ("Time zone", "タイムゾーン"),
    "updates_save": ("Save", "保存"),
    "updates_settings_done": ("Saved.", "保存しました。"),
    "severity_low": ("low", "低"),
    "severity_medium": ("medium", "中"),
    "severity_high": ("important", "重要"),
    "severity_critical": ("critical", "緊急"),
    "phase_waiting": ("ready, waiting", "準備完了（待機中）"),
}
