"""Everything `camward-installer` says to the installer, in English and Japanese, side by side."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "ja"]

TEXTS: dict[str, tuple[str, str]] = {
    "looking": ("Looking for cameras …", "カメラを探しています…"),
    "none_found": (
        "No camera has answered. Are you on the cameras' network segment? Across a router, give --address.",
        "カメラからの応答がありません。カメラと同じネットワークに接続していますか。"
        "ルーターの先にある場合は --address で指定してください。",
    ),
    "others": (
        "{count} other device(s) have answered that are not cameras with Camward.",
        "ほかに、Camward 非搭載の機器 {count} 台が応答しました。",
    ),
    "cameras": ("Cameras", "カメラ"),
    "serial": ("serial", "製造番号"),
    "model": ("model", "型名"),
    "address": ("address", "アドレス"),
    "state": ("state", "状態"),
    "result": ("result", "結果"),
    "entry": ("entry", "記録"),
    "state_unclaimed": ("unclaimed", "未設定"),
    "state_claimed": ("claimed", "設定済み"),
    "state_locked": ("locked", "ロック中"),
    "state_unknown": ("unknown", "不明"),
    "state_planned": ("unconfirmed", "未確認"),
    "done_claimed": ("claimed", "設定しました"),
    "done_already": ("claimed before; the password is in the file", "設定済み（パスワードはファイルにあります）"),
    "done_unconfirmed": (
        "claimed; a run that was interrupted may have set the password in the file. Confirm it: camward-installer "
        "handover check",
        "設定済み。中断した前回の実行で設定された可能性があります。camward-installer handover check で確認してください",
    ),
    "done_foreign": (
        "claimed by somebody else: no entry in the file. If it should not be, erase the camera at the device",
        "ほかの人が設定済みで、ファイルに記録がありません。心当たりがなければ、カメラ本体で初期化してください",
    ),
    "done_missing": (
        "no unclaimed camera with this serial number has answered",
        "この製造番号の未設定カメラからは応答がありません",
    ),
    "done_locked": (
        "locked: its credentials are damaged; erase it at the device",
        "ロック中。カメラ本体で初期化してください",
    ),
    "done_no_code": ("no code for this serial number", "この製造番号のコードがありません"),
    "done_not_proved": (
        "NOT claimed: the code is wrong, or somebody sits between you and the camera. Neither code nor password was "
        "sent",
        "設定していません。コードの誤りか、通信経路上の第三者の介在です。コードもパスワードも送信していません",
    ),
    "done_label_differs": (
        "NOT claimed: its certificate is not the one on the label. Nothing was sent",
        "設定していません。証明書がラベルの記載と一致しません。何も送信していません",
    ),
    "done_wait": (
        "too many wrong tries on this camera; run this again in {detail} s",
        "試行回数の超過。{detail} 秒後にもう一度実行してください",
    ),
    "done_refused": ("refused by the camera: {detail}", "カメラが拒否しました：{detail}"),
    "done_unreachable": ("does not answer: {detail}", "応答がありません：{detail}"),
    "done_unclear": (
        "UNCLEAR: the answer to the claim was lost. The password is in the file. Run this again",
        "不明：設定要求への応答が途切れました。パスワードはファイルにあります。もう一度実行してください",
    ),
    "done_unmarked": (
        "claimed, but the file still calls its password unconfirmed ({detail})",
        "設定しましたが、ファイルでは未確認のままです（{detail}）",
    ),
    "done_file": (
        "NOT claimed: the hand-over file cannot be written ({detail})",
        "設定していません。引き継ぎファイルに書き込めません（{detail}）",
    ),
    "done_confirmed": ("confirmed", "確認しました"),
    "done_unsettled": (
        "not confirmed: the camera is still proving a change of its passwords. Run this again",
        "未確認：カメラがパスワードの変更を検証中です。もう一度実行してください",
    ),
    "done_wrong": ("not the camera's password; the entry stays", "カメラのパスワードと一致しません（記録は残します）"),
    "summary": (
        "{good} of {all} cameras are claimed, with their passwords in {file}.",
        "{all} 台のうち {good} 台が設定済みで、パスワードは {file} にあります。",
    ),
    "user_name": (
        "A user name has 1 to 32 of the characters a-z 0-9 . _ - .",
        "ユーザー名は英小文字・数字・. _ - の1～32文字です。",
    ),
    "type_code": (
        "Code on the label of {serial} (empty: leave it out)",
        "{serial} のラベルのコード（空欄で飛ばします）",
    ),
    "no_such_code": (
        "That is no code: at least 16 letters and digits.",
        "コードではありません。16文字以上の英数字です。",
    ),
    "codes_utf8": ("{name} is no text in UTF-8.", "{name} は UTF-8 のテキストではありません。"),
    "codes_line": (
        "{name}, entry {line}: no serial number and code, or this serial number stands twice.",
        "{name} の {line} 件目：製造番号とコードとして読めないか、同じ製造番号が重複しています。",
    ),
    "codes_none": ("{name} holds no label.", "{name} にラベルがありません。"),
    "codes_needed": (
        "Give the codes: --codes FILE, or --ask to type them.",
        "コードを --codes FILE で指定するか、--ask で入力してください。",
    ),
    "file_unreadable": ("{name} cannot be read: {why}.", "{name} を読めません：{why}。"),
    "address_wrong": (
        "{text} is no address, port or range of addresses of at most {most}.",
        "{text} はアドレス、ポート、または {most} 個以内のアドレス範囲ではありません。",
    ),
    "recipient_needed": (
        "Say for whom the file is sealed: --to KEY.pub (from `camward-installer handover keygen` at the office), or a "
        "passphrase.",
        "ファイルの受取人を指定してください。--to KEY.pub（事務所で `camward-installer handover keygen` により作成）"
        "またはパスフレーズです。",
    ),
    "recipient_both": ("Either --to or a passphrase, not both.", "--to とパスフレーズは同時に指定できません。"),
    "recipient_other": (
        "{name} is sealed for somebody else, or under another passphrase. Begin another file.",
        "{name} は別の鍵またはパスフレーズで封印されています。別のファイルを使ってください。",
    ),
    "recipient_key": ("{name} holds no X25519 key: {why}.", "{name} は X25519 の鍵ではありません：{why}。"),
    "passphrase_ask": ("Passphrase of the hand-over file", "引き継ぎファイルのパスフレーズ"),
    "passphrase_short": (
        "A passphrase has at least {least} characters.",
        "パスフレーズは {least} 文字以上にしてください。",
    ),
    "opener_needed": (
        "{name} is sealed to a key: give --key.",
        "{name} は鍵で封印されています。--key を指定してください。",
    ),
    "opener_wrong": (
        "{name} does not open with this: wrong key or passphrase, or damaged ({why}).",
        "{name} を開けません。鍵・パスフレーズの誤りか、ファイルの破損です（{why}）。",
    ),
    "handover_bad": (
        "{name} is no hand-over file that this version reads: {why}. It is left as it is.",
        "{name} は、このバージョンで読める引き継ぎファイルではありません：{why}。変更していません。",
    ),
    "handover_plain": (
        "{name} holds passwords in the clear, readable by you alone. Delete it when it is no longer needed.",
        "{name} にはパスワードが平文で入っています（読めるのはあなただけです）。不要になったら削除してください。",
    ),
    "handover_out": (
        "Say where the passwords go: --out FILE, or --print for this screen.",
        "パスワードの出力先を指定してください。--out FILE、または画面に表示する --print です。",
    ),
    "exists": ("{name} exists already.", "{name} は既に存在します。"),
    "keygen_done": (
        "{private} stays at the office, on paper or a machine of its own. Give {public} to the installers.",
        "{private} は事務所で保管してください。設置担当者には {public} を渡してください。",
    ),
    "mend": ("Mend that, and run the command again.", "解消してから、もう一度実行してください。"),
}


class Say:
    """The texts in one language: `say("looking")`, with values for the braces by name."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """One text.

        Raises:
            KeyError: no such text, or a value is missing: a bug of ours.
        """
        return TEXTS[key][0 if self.language == "en" else 1].format(**values)


def language_of(environment: Mapping[str, str]) -> Language:
    """The language of a terminal's user (POSIX, Base Definitions, 8.2): the first of three variables that is set."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "ja" if environment[name].lower().startswith("ja") else "en"
    return "en"
