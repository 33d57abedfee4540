"""What the dashboard says of how a single camera stands, in English and Japanese."""

DEVICE_TEXTS: dict[str, tuple[str, str]] = {
    "denied": ("Denied", "接続拒否中"),
    "denied_since": (
        "Shut out of server and broker since {}: camward-server device allow",
        "{} からサーバーとブローカーへの接続を拒否しています（解除：camward-server device allow）",
    ),
    "in_quarantine": ("In quarantine", "隔離中"),
    "in_quarantine_since": (
        "Closed to everybody but this server since {}",
        "{} からこのサーバー以外との通信を遮断しています",
    ),
    "plain_rtsp": ("Video without encryption", "暗号化なしの映像配信"),
    "plain_rtsp_open": (
        "Port {}, opened at the camera by its administrator since {}, until {}",
        "ポート {}（カメラの管理者が設定、開始：{}、終了：{}）",
    ),
    "password_in_clear": (
        "The password of {} was sent without encryption, from {}: have it changed",
        "{}のパスワードが暗号化なしで送信されました（送信元 {}）。パスワードを変更してもらってください",
    ),
    "outage": ("Last time offline", "直近の通信断"),
    "outage_name": ("its server's name could not be resolved", "サーバー名を解決できず"),
    "outage_network": ("no way to the server", "サーバーまでの経路なし"),
    "outage_unreachable": ("no answer from the server", "サーバーの応答なし"),
    "outage_proxy": ("the proxy gave no connection", "プロキシ経由で接続できず"),
    "outage_portal": ("something else answered in the server's place", "別の機器がサーバーの代わりに応答"),
    "outage_tls": ("the server's certificate or encryption was wrong", "サーバーの証明書または暗号化が不正"),
    "outage_clock": ("the certificate's dates did not fit its time", "証明書の有効期間とカメラの時刻が不一致"),
    "outage_closed": ("the connection ended", "接続の切断"),
    "outage_refused": ("the broker refused the camera", "ブローカーが接続を拒否"),
    "outage_silent": ("the broker acknowledged nothing", "ブローカーからの受信確認なし"),
}
