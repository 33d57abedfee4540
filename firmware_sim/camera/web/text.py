"""Everything the web service says to people, in English and Japanese, side by side."""

from typing import Literal

from firmware_sim.camera.web.accounts_text import ACCOUNTS_TEXTS
from firmware_sim.camera.web.due_text import DUE_TEXTS
from firmware_sim.camera.web.link_text import LINK_TEXTS
from firmware_sim.camera.web.offer_text import OFFER_TEXTS
from firmware_sim.camera.web.plain_rtsp_text import PLAIN_RTSP_TEXTS
from firmware_sim.camera.web.quarantine_text import QUARANTINE_TEXTS
from firmware_sim.camera.web.ssh_text import SSH_TEXTS
from firmware_sim.camera.web.updates_text import UPDATES
from firmware_sim.camera.web.ws_tokens_text import WS_TOKENS

Language = Literal["en", "ja"]

TEXTS: dict[str, tuple[str, str]] = {
    "language_other": ("日本語", "English"),
    "claim_title": ("Claim this camera", "カメラの初期設定"),
    "claim_lead": (
        "This camera has no password yet and shows nothing to anyone. Make it yours: enter the code from its label "
        "and choose a password.",
        "このカメラにはまだパスワードがなく、映像も設定も一切公開していません。ラベルに印刷されたコードを入力し、"
        "管理者のパスワードを設定してください。",
    ),
    "claim_network": (
        "Do this over a direct cable or on a network you trust: this page cannot prove to your browser that it is the "
        "camera. If the label bears a certificate fingerprint, compare it with your browser's before you type the "
        "code. On any other network claim with camward-installer, which checks it.",
        "直結ケーブル、または信頼できるネットワークで設定してください。この画面だけでは、本物のカメラであることを"
        "ブラウザーで確認できません。ラベルに証明書のフィンガープリントがある場合は、コードを入力する前にブラウザーの"
        "表示と照合してください。それ以外のネットワークでは、確認機能のある camward-installer を使用してください。",
    ),
    "code": ("Code on the label", "ラベルのコード"),
    "code_hint": ("16 letters and digits, printed on the camera", "カメラ本体に印刷された16文字の英数字"),
    "user": ("User name", "ユーザー名"),
    "user_hint": ("Small letters a-z, digits, dot, hyphen, underscore", "英小文字・数字・ドット・ハイフン・下線"),
    "password": ("Password", "パスワード"),
    "password_new": ("New password", "新しいパスワード"),
    "password_old": ("Present password", "現在のパスワード"),
    "password_again": ("Password, once more", "パスワード（確認）"),
    "password_hint": (
        "A few words in a row are easy to remember and hard to guess.",
        "単語をいくつか並べると、覚えやすく推測されにくくなります。",
    ),
    "show_password": ("Show password", "パスワードを表示"),
    "rules_waiting": ("The rules appear here as you type.", "入力すると、ここに条件が表示されます。"),
    "rules_met": ("This password is accepted.", "このパスワードは使用できます。"),
    "rules_unknown": ("The rules cannot be checked just now.", "現在、条件を確認できません。"),
    "passwords_differ": ("The two passwords differ.", "2つのパスワードが一致しません。"),
    "passwords_same": ("Both entries are the same.", "2つの入力が一致しました。"),
    "working": (
        "Saving, and testing the new password on every service of the camera. This can take a minute.",
        "新しいパスワードを保存し、カメラの全サービスで確認しています。1分ほどかかることがあります。",
    ),
    "claim_button": ("Claim the camera", "設定を完了する"),
    "sign_in_title": ("Sign in", "サインイン"),
    "sign_in_lead": ("Sign in to see the camera.", "カメラを見るにはサインインしてください。"),
    "sign_in_button": ("Sign in", "サインイン"),
    "lost_title": ("Password lost?", "パスワードを忘れた場合"),
    "lost_others": (
        "Another administrator of this camera can give you a new one. Nobody else can: there is no master password, "
        "and neither the maker nor the operator can set one.",
        "このカメラの別の管理者に、新しいパスワードの設定を依頼してください。マスターパスワードは存在せず、"
        "製造者や運用者が設定することもできません。",
    ),
    "lost_erase": (
        "If there is none, erase the camera at its place, as its manual says (a button on the camera). Everything of "
        "its users goes, recordings included; then claim it again with the code on its label.",
        "別の管理者がいない場合は、取扱説明書に従い、設置場所で本体を初期化してください（本体のボタン）。録画を含む"
        "利用者のデータはすべて消去されます。その後、ラベルのコードで初期設定をやり直してください。",
    ),
    "sign_out_button": ("Sign out", "サインアウト"),
    "locked_title": ("This camera is locked", "カメラはロックされています"),
    "locked_lead": (
        "Its stored credentials are damaged, so it lets nobody in. It does not fall back to a factory password. "
        "Reset it at the device, then claim it again.",
        "保存された認証情報が壊れているため、誰もサインインできません。工場出荷時のパスワードには戻りません。"
        "本体で初期化してから、設定をやり直してください。",
    ),
    "unavailable_title": ("One moment", "しばらくお待ちください"),
    "unavailable_lead": (
        "The part of the camera that checks passwords does not answer, so nobody is let in. Try again soon.",
        "パスワードを確認する機能が応答していないため、現在は誰もサインインできません。少し待ってからお試しください。",
    ),
    "live_title": ("Live view", "ライブ映像"),
    "live_alt": ("Picture from the camera", "カメラの映像"),
    "live_stopped": ("The picture has stopped.", "映像が停止しました。"),
    "device_title": ("This camera", "カメラの情報"),
    "model": ("Model", "機種"),
    "hardware": ("Hardware revision", "ハードウェア"),
    "serial": ("Serial number", "シリアル番号"),
    "version": ("Firmware version", "ファームウェア"),
    "slot": ("Running from slot", "動作中のスロット"),
    "update": ("Update", "更新の状態"),
    "last_result": ("Last update", "前回の更新結果"),
    "server": ("Update server", "更新サーバー"),
    "server_none": ("not enrolled", "未登録"),
    "enrolment": ("Last problem with the enrolment", "登録で最後に起きた問題"),
    "link": ("Connection to the server", "サーバーとの接続"),
    "phase_idle": ("waiting", "待機中"),
    "phase_checking": ("looking for updates", "更新を確認中"),
    "phase_reading_tree": ("preparing", "準備中"),
    "phase_installing": ("installing", "インストール中"),
    "phase_reading_back": ("checking what was written", "書き込み内容を確認中"),
    "phase_arming": ("preparing the restart", "再起動の準備中"),
    "phase_armed": ("about to restart", "まもなく再起動"),
    "phase_trial": ("trial run of the new version", "新しいバージョンを試行中"),
    "phase_committing": ("confirming the new version", "新しいバージョンを確定中"),
    "phase_committed": ("new version confirmed", "新しいバージョンを確定"),
    "phase_failing": ("the new version failed its checks; restarting", "新バージョンの確認に失敗、再起動中"),
    "phase_rolled_back": ("returned to the old version", "元のバージョンへ復帰済み"),
    "enrol_title": ("Enrol with an update server", "更新サーバーへの登録"),
    "enrol_lead": (
        "Paste the token that your operator made for this camera. It works once.",
        "運用者が発行したこのカメラ専用のトークンを貼り付けてください。使用は一度限りです。",
    ),
    "token": ("Enrolment token", "登録トークン"),
    "enrol_button": ("Enrol", "登録する"),
    "enrol_started": ("Enrolment has started.", "登録を開始しました。"),
    "sure_first": ("Please tick the box first.", "先にチェックを入れてください。"),
    "password_confirm": ("Your password, to confirm", "確認のため、あなたのパスワード"),
    "restarting": (
        "Done. The camera restarts now, which takes a minute. If this page does not come back, open it again.",
        "受け付けました。カメラが再起動します（1分ほど）。画面が戻らない場合は、開き直してください。",
    ),
    "transfer_title": ("Move to another operator", "別の運用者への移管"),
    "transfer_lead": (
        "Paste the token of the next operator. The camera stays with the present one until the next has accepted it, "
        "and then restarts. Users and passwords stay.",
        "次の運用者のトークンを貼り付けてください。次の運用者が受け入れるまでは現在の運用者のままで、その後カメラが"
        "再起動します。ユーザーとパスワードは変わりません。",
    ),
    "transfer_sure": (
        "I want this camera to obey the next operator.",
        "このカメラを次の運用者の管理下に移すことに同意します。",
    ),
    "transfer_button": ("Move the camera", "移管する"),
    "transfer_started": (
        "The transfer has started. The camera restarts once the next operator has accepted it.",
        "移管を開始しました。次の運用者が受け入れると、カメラが再起動します。",
    ),
    "disown_title": ("Leave the operator", "運用者からの離脱"),
    "disown_lead": (
        "The camera forgets its operator, who can no longer update it or see its reports. Users and passwords stay.",
        "カメラは運用者の情報を消去します。運用者は更新も報告の確認もできなくなります。ユーザーとパスワードは変わりません。",
    ),
    "disown_sure": ("I want this camera to have no operator.", "このカメラを運用者なしの状態にすることに同意します。"),
    "disown_button": ("Leave the operator", "離脱する"),
    "erase_title": ("Erase this camera", "カメラの初期化"),
    "erase_lead": (
        "Before you sell it or throw it away: users, passwords, operator, reports, pictures and settings are erased. "
        "The firmware and its protection against older versions stay. The code on the label claims the camera again.",
        "譲渡や廃棄の前に実行してください。ユーザー、パスワード、運用者、報告、映像、設定をすべて消去します。"
        "ファームウェアと旧バージョンへの書き戻し防止は維持されます。ラベルのコードがあれば、再び初期設定できます。",
    ),
    "erase_sure": (
        "I want everything of mine to be erased. It cannot be undone.",
        "すべて消去し、元に戻せないことに同意します。",
    ),
    "erase_button": ("Erase the camera", "初期化する"),
    "change_title": ("Change password", "パスワードの変更"),
    "change_button": ("Change password", "変更する"),
    "change_done": (
        "Your password has been changed. Please sign in with it.",
        "パスワードを変更しました。新しいパスワードでサインインしてください。",
    ),
    "evidence_title": ("Security evidence", "セキュリティの測定結果"),
    "evidence_lead": (
        "What this camera measured about itself, at the time shown. A measurement, not a certificate.",
        "表示時点でこのカメラが自身を測定した結果です。認証や適合を示すものではありません。",
    ),
    "evidence_button": ("Show evidence", "測定結果を表示"),
    "error_no_evidence": ("No evidence has been measured yet.", "まだ測定結果がありません。"),
    "evidence_criterion": ("Criterion", "項目"),
    "evidence_verdict": ("Verdict", "判定"),
    "evidence_basis": ("Basis", "根拠"),
    "basis_measured": ("measured", "測定"),
    "basis_declared": ("declared by the manufacturer", "製造者の宣言"),
    "basis_not_assessed": ("not assessed", "未評価"),
    "evidence_reason": ("What was seen", "確認した内容"),
    "signed_in_as": ("Signed in as", "サインイン中："),
    "javascript": ("This page needs JavaScript.", "このページにはJavaScriptが必要です。"),
    "error_denied": (
        "That is not right. Please check and try again.",
        "入力が正しくありません。確認してもう一度お試しください。",
    ),
    "error_wait": (
        "Too many attempts. Please wait {seconds} s, then try again.",
        "試行回数が多すぎます。{seconds}秒待ってからお試しください。",
    ),
    "error_unclaimed": ("The camera has not been claimed yet.", "カメラの初期設定がまだ済んでいません。"),
    "error_locked": ("The camera is locked.", "カメラはロックされています。"),
    "error_bad_request": ("The request could not be understood.", "要求を処理できませんでした。"),
    "error_policy": ("This password does not meet the rules.", "このパスワードは条件を満たしていません。"),
    "error_busy": (
        "The camera is busy. Please try again soon.",
        "処理が混み合っています。少し待ってからお試しください。",
    ),
    "error_unavailable": (
        "The camera cannot check this just now. Please try again soon.",
        "現在確認できません。少し待ってからお試しください。",
    ),
    "error_signed_out": ("Please sign in again.", "もう一度サインインしてください。"),
    "error_forbidden": ("You may not do this.", "この操作は許可されていません。"),
    "error_network": ("The camera does not answer.", "カメラが応答しません。"),
    **UPDATES,
    **OFFER_TEXTS,
    **LINK_TEXTS,
    **DUE_TEXTS,
    **ACCOUNTS_TEXTS,
    **PLAIN_RTSP_TEXTS,
    **SSH_TEXTS,
    **QUARANTINE_TEXTS,
    **WS_TOKENS,
}


def choose_language(accept_language: str) -> Language:
    """Japanese when Accept-Language prefers it over English, else English (RFC 9110 section 12.5.4).

    Raises:
        Nothing: an unreadable preference is none.
    """
    best: Language = "en"
    best_weight = 0.0
    for item in accept_language[:512].split(","):
        tag, _, parameter = item.strip().partition(";")
        prefix = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if weight > best_weight and prefix in {"en", "ja"}:
            best, best_weight = ("ja" if prefix == "ja" else "en"), weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def say(key: str, language: Language) -> str:
    """One text.

    Raises:
        KeyError: no such text: a bug of ours.
    """
    return TEXTS[key][0 if language == "en" else 1]


def both(key: str) -> dict[str, str]:
    """One text in both languages, as JSON replies carry it.

    Raises:
        KeyError: no such text: a bug of ours.
    """
    english, japanese = TEXTS[key]
    return {"en": english, "ja": japanese}
