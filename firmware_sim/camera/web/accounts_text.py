"""What the web service says about accounts that should not be there, in English and Japanese."""

_FOUND: dict[str, tuple[str, str]] = {
    "empty_password": ("It needs no password.", "パスワードなしでログインできます。"),
    "default_password": (
        "Its password is one that attackers try first. If the account is yours, change its password now.",
        "攻撃者が最初に試すパスワードが使われています。ご自身のアカウントの場合は、すぐにパスワードを変更してください。",
    ),
    "uid_zero": ("It has all rights of root, under another name.", "別の名前で root と同じ権限を持っています。"),
    "keys": (
        "A key lies there that lets its owner in without a password.",
        "パスワードなしでログインできる鍵が置かれています。",
    ),
    "usable_account": (
        "It has a password and may give commands, and no administrator of this camera made it.",
        "パスワードが設定されコマンドを実行できますが、このカメラの管理者が作成したものではありません。",
    ),
    "altered_account": (
        "An administrator's account was changed behind this camera's back.",
        "管理者のアカウントが、正規の手順によらずに書き換えられています。",
    ),
    "unknown_account": (
        "Neither the maker nor an administrator of this camera made it.",
        "メーカーもこのカメラの管理者も作成していないアカウントです。",
    ),
    "account_twice": ("It is there twice.", "同じ名前のアカウントが重複しています。"),
    "malformed_line": ("A line of the file cannot be read.", "読み取れない行があります。"),
    "unreadable_file": ("The file cannot be looked into.", "ファイルの内容を確認できません。"),
    "untested_hash": (
        "Its password cannot be compared with the known ones.",
        "既知のパスワードとの照合ができない形式です。",
    ),
}

CODES = tuple(_FOUND)
"""As agent.core.foreign_accounts has them."""

ACCOUNTS_TEXTS: dict[str, tuple[str, str]] = {
    "accounts_title": ("Accounts that should not be here", "不審なアカウント"),
    "accounts_lead": (
        "The camera has found these in its own files. What is not locked is for the maker or the operator to mend: "
        "tell them.",
        "カメラ内部のファイルから次のものが見つかりました。ロックされていないものは、メーカーまたは運用者による対処が必要です。"
        "ご連絡ください。",
    ),
    "accounts_file": ("the file", "ファイル"),
    "accounts_locked": (" It is locked.", " ロックしました。"),
    "accounts_open": (" It could not be locked.", " ロックできませんでした。"),
    "accounts_more": ("and {count} more; the evidence has all of them", "ほか{count}件（すべては「証拠」に記載）"),
    **{f"accounts_{code}": texts for code, texts in _FOUND.items()},
}
