"""What the page says about the connection to the server, in English and Japanese; codes: docs/login-socket.md."""

LINK_TEXTS: dict[str, tuple[str, str]] = {
    "link_up": ("Connected", "接続済み"),
    "link_name": (
        "The server's name cannot be resolved. Check the DNS setting of this network.",
        "サーバー名を解決できません。ネットワークのDNS設定を確認してください。",
    ),
    "link_network": (
        "This camera has no way to the server. Check the cable, the address and the gateway.",
        "サーバーまでの経路がありません。ケーブル、アドレス、ゲートウェイを確認してください。",
    ),
    "link_unreachable": (
        "The server does not answer. A firewall may be in between.",
        "サーバーが応答しません。途中のファイアウォールを確認してください。",
    ),
    "link_proxy": (
        "The proxy of this network gives no connection. Its settings may be wrong.",
        "プロキシ経由で接続できません。プロキシの設定を確認してください。",
    ),
    "link_portal": (
        "Something else answers in the server's place, such as a login page of this network (captive portal). "
        "Nothing was sent to it.",
        "認証ページ（キャプティブポータル）など、別の機器がサーバーの代わりに応答しています。情報は送信していません。",
    ),
    "link_tls": (
        "The server's certificate or encryption is not as it has to be. Nothing was sent.",
        "サーバーの証明書または暗号化が正しくありません。情報は送信していません。",
    ),
    "link_clock": (
        "The dates of the server's certificate do not fit this camera's time.",
        "サーバー証明書の有効期間とカメラの時刻が合いません。",
    ),
    "link_closed": ("The connection has ended; connecting again.", "接続が切れました。再接続しています。"),
    "link_refused": ("The server refuses this camera.", "サーバーがこのカメラの接続を拒否しています。"),
    "link_silent": (
        "The server acknowledges nothing; connecting again.",
        "サーバーから受信の確認がないため、再接続しています。",
    ),
}
SCRIPT_TEXTS = tuple(LINK_TEXTS)
