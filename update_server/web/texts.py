"""Every text of the dashboard, in English and Japanese; one word per thing (docs/glossary.md)."""

from update_server.web.command_texts import COMMAND_TEXTS
from update_server.web.device_texts import DEVICE_TEXTS

LANGUAGES = ("en", "ja")

TEXTS: dict[str, tuple[str, str]] = {
    "fleet": ("Fleet", "カメラ一覧"),
    "rollouts": ("Rollouts", "段階配信"),
    "releases": ("Releases", "リリース"),
    "log_in": ("Log in", "ログイン"),
    "log_out": ("Log out", "ログアウト"),
    "name": ("User name", "ユーザー名"),
    "password": ("Password", "パスワード"),
    "login_intro": ("Sign in to see and steer the fleet.", "カメラ群の監視と更新の管理を行います。"),
    "login_wrong": ("The user name or the password is wrong.", "ユーザー名またはパスワードが違います。"),
    "login_wait": (
        "Too many wrong passwords. Try again in {} s.",
        "入力の誤りが続いています。{} 秒後にもう一度お試しください。",
    ),
    "cameras": ("Cameras", "カメラ"),
    "online": ("Online", "オンライン"),
    "offline": ("Offline", "オフライン"),
    "silent": ("Silent", "応答なし"),
    "attention": ("Needs attention", "要確認"),
    "no_attention": ("Nothing needs attention", "要確認の項目はありません"),
    "versions": ("Versions in the field", "稼働中のバージョン"),
    "running_rollouts": ("Unfinished rollouts", "進行中の段階配信"),
    "none": ("None", "ありません"),
    "no_cameras": (
        "No camera has enrolled yet. Make a token: camward-server device token",
        "登録されたカメラはまだありません。トークンの作成: camward-server device token",
    ),
    "no_releases": (
        "No release yet. Publish one: camward-server release add",
        "リリースはまだありません。公開: camward-server release add",
    ),
    "no_rollouts": (
        "No rollout yet. Start one: camward-server rollout create VERSION",
        "段階配信はまだありません。開始: camward-server rollout create VERSION",
    ),
    "serial": ("Serial number", "シリアル番号"),
    "model": ("Model", "機種"),
    "version": ("Version", "バージョン"),
    "assigned": ("Assigned", "割り当て"),
    "allow_older": ("may go back to it", "旧バージョンへの復帰を許可"),
    "install_now": ("at once", "時間帯を待たずに適用"),
    "update_now": ("Update now", "今すぐ更新"),
    "update_now_note": (
        "Do not wait for the camera's maintenance window, nor for what was postponed on the camera.",
        "カメラのメンテナンス時間帯や、カメラ側での延期を待たずに更新します。",
    ),
    "until": ("until {}", "{} まで"),
    "told_now": ("told to update now", "今すぐ更新するよう指示済み"),
    "waits_window": ("Waits for its maintenance window", "メンテナンス時間帯を待っています"),
    "waits_postponed": ("Postponed at the camera", "カメラ側で延期されています"),
    "waits_clock": ("Waits until its clock is right", "時刻の確認を待っています"),
    "state": ("State", "状態"),
    "last_seen": ("Last seen", "最終受信"),
    "never": ("never", "なし"),
    "search": ("Serial number or id", "シリアル番号または ID"),
    "find": ("Find", "検索"),
    "shown_of": ("{} of {} cameras", "{1} 台中 {0} 台を表示"),
    "id": ("Device id", "機器 ID"),
    "group": ("Group", "グループ"),
    "site": ("Site", "設置場所"),
    "serves_neighbours": ("serves its neighbours", "近隣のカメラに配信中"),
    "enrolled": ("Enrolled", "登録日時"),
    "certificate_ends_at": ("Certificate until", "証明書の有効期限"),
    **COMMAND_TEXTS,
    **DEVICE_TEXTS,
    "facts": ("Camera", "カメラ情報"),
    "telemetry": ("Telemetry", "テレメトリー"),
    "no_telemetry": ("No telemetry yet.", "テレメトリーはまだ届いていません。"),
    "uptime_s": ("Uptime", "稼働時間"),
    "cpu_percent": ("CPU", "CPU 使用率"),
    "rss_bytes": ("Agent memory", "エージェントのメモリ"),
    "mem_available_bytes": ("Memory available", "空きメモリ"),
    "disk_free_bytes": ("Storage free", "空き容量"),
    "temperature_c": ("Temperature", "温度"),
    "outbox_count": ("Messages waiting", "送信待ち"),
    "outbox_lost": ("Messages given up", "破棄されたメッセージ"),
    "outbox_written_bytes": ("Written to storage by waiting messages", "送信待ちによるストレージ書込み量"),
    "listeners_count": ("Open ports", "待受ポート数"),
    "slot": ("Slot", "スロット"),
    "phase": ("Phase", "フェーズ"),
    "updates": ("Update history", "更新履歴"),
    "no_updates": ("No update has been reported yet.", "更新の報告はまだありません。"),
    "at": ("Time", "日時"),
    "event": ("Event", "結果"),
    "change": ("Change", "変更"),
    "detail": ("Detail", "詳細"),
    "started": ("started", "開始"),
    "installed": ("installed", "書き込み完了"),
    "committed": ("committed", "確定"),
    "rolled_back": ("rolled back", "巻き戻し"),
    "refused": ("refused", "拒否"),
    "failed": ("failed", "失敗"),
    "cancelled": ("cancelled", "取り消し"),
    "evidence": ("Evidence for JC-STAR ★1", "JC-STAR ★1 のエビデンス"),
    "evidence_note": (
        "What was checked on this camera at this time. This is evidence, not a label.",
        "この機器・この時点での確認結果です。適合ラベルではありません。",
    ),
    "no_evidence": ("No evidence has arrived yet.", "エビデンスはまだ届いていません。"),
    "criterion": ("Criterion", "基準"),
    "verdict": ("Verdict", "判定"),
    "probes": ("Probe", "検査"),
    "basis": ("Basis", "根拠"),
    "reason": ("Reason", "理由"),
    "measured": ("measured", "実測"),
    "declared by the manufacturer": ("declared by the manufacturer", "製造者の宣言"),
    "not assessed": ("not assessed", "未評価"),
    "signed_at": ("Report of {}", "{} の報告"),
    "alarms": ("Guessing at passwords", "パスワードの総当たり攻撃"),
    "attack_now": (
        "Under attack: {} wrong passwords, sources: {}",
        "攻撃を受けています：誤ったパスワード {} 回、発信元 {} 件",
    ),
    "attack_got_in": (
        "Somebody logged in after {} wrong passwords, from {}: find out who",
        "誤ったパスワードが {} 回続いた後にログインがありました（発信元 {}）。本人かどうか確認してください",
    ),
    "gone": ("{}: it does not come back under this id", "{}（このIDではもう接続しません）"),
    "gone_erase": ("Erased at the camera", "カメラの設置場所で初期化されました"),
    "gone_transfer": ("Moved to another operator at the camera", "カメラ側で別の運用者へ移管されました"),
    "gone_disown": ("Left this operator at the camera", "カメラ側で運用者から離脱しました"),
    "attack_since": ("Since", "開始"),
    "attack_wrong": ("Wrong tries", "失敗回数"),
    "attack_sources": ("Sources", "発信元の数"),
    "attack_source": ("Most from", "主な発信元"),
    "attack_target": ("Aimed at", "標的"),
    "attack_many": ("distributed", "分散型"),
    "attack_started": ("attack began", "攻撃の開始"),
    "attack_distributed": ("distributed attack", "分散型攻撃"),
    "attack_continues": ("attack goes on", "攻撃が継続中"),
    "attack_ended": ("attack ended", "攻撃の終了"),
    "attack_login": ("login after wrong tries", "失敗後のログイン"),
    "attack_at_administrator": ("an administrator", "管理者"),
    "attack_at_operator": ("an operator of the camera", "操作者"),
    "attack_at_viewer": ("a viewer", "閲覧者"),
    "attack_at_claim": ("the label's code", "ラベルのコード"),
    "attack_at_nobody": ("no user of the camera", "存在しないユーザー"),
    "refusals": ("Refused messages", "拒否したメッセージ"),
    "code": ("Code", "コード"),
    "number": ("No.", "番号"),
    "phases": ("Phases", "フェーズ構成"),
    "progress": ("Progress", "進捗"),
    "running": ("running", "進行中"),
    "paused": ("paused", "一時停止"),
    "aborted": ("aborted", "中止"),
    "complete": ("complete", "完了"),
    "waiting": ("waiting", "待機"),
    "pending": ("in progress", "適用中"),
    "assigned_state": ("in progress", "適用中"),
    "paused_because": ("Paused", "一時停止の理由"),
    "why_failures": (
        "Failed cameras: {} by phase {} (allowed: {})",
        "フェーズ {1} までに {0} 台が失敗しました(許容 {2} 台)",
    ),
    "why_silence": (
        "No camera of phase {} has answered in time ({} silent)",
        "フェーズ {} のカメラから期限内に応答がありません({} 台)",
    ),
    "why_person": ("By {}", "{} による操作"),
    "do_pause": ("Pause", "一時停止"),
    "do_resume": ("Resume", "再開"),
    "do_abort": ("Abort", "中止"),
    "phase_n": ("Phase {}", "フェーズ {}"),
    "not_started": ("not started", "未開始"),
    "severity": ("Severity", "重要度"),
    "low": ("low", "低"),
    "medium": ("medium", "中"),
    "high": ("high", "高"),
    "critical": ("critical", "緊急"),
    "epoch": ("Security epoch", "セキュリティ世代"),
    "support_ends": ("Support ends", "サポート終了"),
    "size": ("Size", "サイズ"),
    "notes": ("Notes", "内容"),
    "published": ("published", "公開中"),
    "withdrawn": ("withdrawn", "取り下げ"),
    "to_fetch": ("To fetch", "ダウンロード量"),
    "from_any": ("any version", "どの版からも"),
    "from_version": ("from {}", "{} から"),
    "being_made": ("being prepared", "準備中"),
    "added": ("Added", "追加日時"),
    "error": ("This did not work", "処理できませんでした"),
    "back": ("Back to the fleet", "カメラ一覧へ戻る"),
    "passwords": ("Passwords", "パスワード"),
    "passwords_note": (
        "What cameras say of the age of their passwords. The passwords themselves never leave the cameras.",
        "各カメラが報告したパスワードの経過日数です。パスワード自体がカメラの外に出ることはありません。",
    ),
    "who_is_old": ("Who still has an old password", "変更が済んでいないカメラ"),
    "as_table": ("CSV", "CSV"),
    "stage": ("Stage", "段階"),
    "next_stage": ("Deadlines", "期限"),
    "oldest_password": ("Oldest password", "最も古いパスワード"),
    "password_policy": ("Policy", "ポリシー"),
    "days": ("{} days", "{} 日"),
    "accounts": ("accounts: {}", "アカウント数: {}"),
    "require_change": ("Require a change", "変更を要求する"),
    "withdraw_change": ("Withdraw", "要求を取り消す"),
    "require_change_note": (
        "All passwords on these cameras, set before now, have to be changed: people are reminded at once, then an old "
        "password opens nothing but its own change, then only an administrator's does that. Leave a number of days "
        "empty for never. The group 'all' is everybody's.",
        "対象のカメラで現在までに設定されたパスワードすべての変更を要求します。まず利用者に通知し、次に古いパスワードでは"
        "変更以外の操作を受け付けなくなり、最後は管理者だけが変更できます。日数を空欄にすると、その段階はありません。"
        "グループ「all」は全カメラです。",
    ),
    "restrict_after": ("Restrict after (days)", "制限までの日数"),
    "claim_only_after": ("Administrators only after (days)", "管理者のみとなるまでの日数"),
    "pw_old": ("still old", "未変更"),
    "pw_refused": ("refused by the camera", "カメラが拒否"),
    "pw_not_taken": ("not received yet", "未受信"),
    "pw_no_order": ("nothing required", "要求なし"),
    "pw_done": ("changed", "変更済み"),
    "pw_ordered": ("announced", "予告"),
    "pw_reminder": ("reminder", "通知中"),
    "pw_restricted": ("restricted", "制限中"),
    "pw_claim_only": ("administrators only", "管理者のみ"),
    "pw_compromised": ("password compromised", "漏えいのおそれ"),
    "pw_staff_left": ("staff left", "担当者の退職・異動"),
    "pw_policy": ("policy changed", "ポリシーの変更"),
    "pw_routine": ("routine", "定期的な見直し"),
    "commands": ("Commands", "コマンド"),
    "commands_note": (
        "Signed commands, one for each camera. A camera takes them one after the other, and signs its answer.",
        "カメラごとに署名されたコマンドです。カメラは一つずつ実行し、署名した結果を返します。",
    ),
    "all_cameras": ("All cameras", "すべてのカメラ"),
    "send_command": ("Send a command", "コマンドを送る"),
    "command": ("Command", "コマンド"),
    "or_camera": ("or one camera", "または1台"),
    "why": ("Reason", "理由"),
    "review": ("Next", "確認へ"),
    "grave_note": (
        "Erasing a camera, and changing its keys, take two people's keys: camward-server command prepare",
        "カメラの初期化と鍵の変更には、2人の鍵による署名が必要です：camward-server command prepare",
    ),
    "sent_commands": ("Sent commands", "送信したコマンド"),
    "given_at": ("Given", "指示"),
    "changed_at": ("Changed", "更新"),
    "expires_at": ("Valid until", "有効期限"),
    "given_by": ("By", "指示者"),
    "shown_commands": ("{} of {} commands", "{1} 件中 {0} 件を表示"),
    "no_commands": ("No command yet.", "コマンドはまだありません。"),
    "consumers": ("Back ends", "外部システム"),
    "consumers_note": (
        "They read what one program of all cameras sends.",
        "各カメラのプログラムのデータを受け取ります。",
    ),
    "add_consumer": ("Add a back end", "外部システムを追加"),
    "add_consumer_note": ("Its key is shown once and kept nowhere.", "鍵は一度だけ表示し、保存しません。"),
    "consumer_name": ("Name", "名前"),
    "program": ("Program", "プログラム"),
    "client_id": ("Client id", "クライアント ID"),
    "certificate_ends": ("Certificate ends", "証明書の期限"),
    "no_consumers": ("No back end yet.", "外部システムはまだありません。"),
    "broker": ("Broker (MQTT 5, TLS)", "ブローカー（MQTT 5、TLS）"),
    "reads": ("Reads", "受信するトピック"),
    "writes": ("Writes", "送信するトピック"),
    "renew_consumer": ("New certificate", "証明書を更新"),
    "renew_consumer_note": (
        "Makes another key and certificate. Those in use stay good until they end; after a theft, remove it instead.",
        "新しい鍵と証明書を作成します。使用中のものも期限まで有効です。盗難時は更新せず、削除してください。",
    ),
    "remove_consumer": ("Remove", "削除"),
    "remove_consumer_sure": ("Remove {}?", "「{}」を削除しますか？"),
    "keep_consumer": ("Do not remove", "削除しない"),
    "remove_consumer_note": (
        "Shuts it out of the broker within seconds, for good. To let it in again, add it anew.",
        "数秒以内にブローカーから完全に締め出します。再び許可するには、改めて追加してください。",
    ),
    "shown_once": (
        "Copy these three files now: the key is shown this once and kept nowhere.",
        "この3つのファイルを今すぐ保存してください。鍵の表示は一度だけで、サーバーには残りません。",
    ),
    "not_known_yet": (
        "The broker does not know it yet, or is away: what cameras send before that may be lost to it.",
        "ブローカーにまだ反映されていないか、接続できません。それまでの送信データは届かないことがあります。",
    ),
    "s_ago": ("{} s ago", "{} 秒前"),
    "min_ago": ("{} min ago", "{} 分前"),
    "h_ago": ("{} h ago", "{} 時間前"),
    "d_ago": ("{} d ago", "{} 日前"),
    "sees_only": ("read only", "閲覧のみ"),
}


class Texts:
    """The texts in one language: `t("fleet")`, with values for `{}` after the key."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self._index = LANGUAGES.index(self.language)

    def __call__(self, key: str, *values: object) -> str:
        """The text of `key`; a key that has none (a camera's own word) is shown as it is."""
        found = TEXTS.get(key)
        return found[self._index].format(*values) if found else key

    def known(self, key: str) -> str:
        """As calling it; empty where there is no such text."""
        return self(key) if key in TEXTS else ""

    def pick(self, english: str, japanese: str) -> str:
        """Whichever of two given texts is in this language; the other if that one is empty."""
        chosen = (english, japanese)[self._index]
        return chosen or english or japanese


def preferred(cookie: str | None, accept_language: str) -> str:
    """The language to use: the one chosen before, else the browser's first that we have, else English."""
    if cookie in LANGUAGES:
        return cookie
    for part in accept_language.split(","):
        name = part.split(";")[0].strip().lower()[:2]
        if name in LANGUAGES:
            return name
    return LANGUAGES[0]
