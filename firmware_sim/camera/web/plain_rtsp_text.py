"""What the section about RTSP in the clear says, in English and Japanese; a part of firmware_sim.camera.web.text."""

PLAIN_RTSP_TEXTS: dict[str, tuple[str, str]] = {
    "plain_title": ("Video without encryption (RTSP)", "暗号化なしの映像配信（RTSP）"),
    "plain_lead": (
        "Closed unless you open it. For recorders that know only rtsp:// addresses; use rtsps:// wherever you can.",
        "通常は閉じています。rtsp:// にしか対応していないレコーダーのための例外です。"
        "rtsps:// に対応した機器では、必ずそちらを使用してください。",
    ),
    "plain_warning": (
        "While it is open, everybody on the way between camera and recorder can watch the video and alter it, "
        "and can try to work out the recorder's password. The camera's evidence says that it is open.",
        "開けている間は、カメラとレコーダーの間のネットワーク上にいる誰でも映像を見たり改ざんしたりでき、"
        "レコーダーのパスワードの解読を試みることもできます。開けていることは、適合状況の報告にも記載されます。",
    ),
    "plain_viewer": (
        "Only viewers (in ONVIF tools: level User) get in this way, administrators do not. Make one for the recorder, "
        "with a long password that is used for nothing else.",
        "この方法でログインできるのは閲覧者（ONVIFツールではレベル「User」）だけで、管理者はログインできません。"
        "レコーダー専用の閲覧者を作り、ほかでは使わない長いパスワードを設定してください。",
    ),
    "plain_never": (
        "Never let the recorder try with an administrator's name: the camera refuses it, but whoever listens can work "
        "out the administrator's password.",
        "レコーダーに管理者のユーザー名を設定しないでください。カメラはログインを拒否しますが、"
        "通信を盗聴した人に管理者のパスワードを解読されるおそれがあります。",
    ),
    "plain_sent": (
        "The password of {users} was sent without encryption. Change it now, and give the recorder a viewer's name.",
        "{users} のパスワードが暗号化なしで送信されました。すぐに変更し、"
        "レコーダーには閲覧者のユーザー名を設定してください。",
    ),
    "plain_for": ("Open for (days)", "開けておく日数"),
    "plain_sure": (
        "I understand that the video can be watched on the network.",
        "ネットワーク上で映像を見られる可能性があることを理解しました。",
    ),
    "plain_button": ("Open without encryption", "暗号化なしで開ける"),
    "plain_close_button": ("Close it now", "今すぐ閉じる"),
    "plain_closed": (
        "Closed: video is served with encryption only.",
        "閉じています（映像は暗号化してのみ配信されます）。",
    ),
    "plain_open": (
        "OPEN on port {port} without encryption, since {since}, until {until} (by {user}).",
        "ポート {port} が暗号化なしで開いています（開始：{since}、終了：{until}、操作：{user}）。",
    ),
}
