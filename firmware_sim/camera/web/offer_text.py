"""What the page says about updates without a server, in English and Japanese."""

OFFER_TEXTS: dict[str, tuple[str, str]] = {
    "offers_title": ("New versions", "新しいバージョン"),
    "offer_none": ("No new version is announced.", "新しいバージョンのお知らせはありません。"),
    "offer_new": ("A new version is ready:", "新しいバージョンがあります："),
    "offer_running": ("You have:", "現在のバージョン："),
    "offer_support": ("Supported until", "サポート期限"),
    "offer_problem": ("The last look for updates had a problem:", "前回の更新確認で問題がありました："),
    "offer_severity_low": ("Small improvement", "軽微な改善"),
    "offer_severity_medium": ("Recommended", "推奨"),
    "offer_severity_high": ("Important security update", "重要なセキュリティ更新"),
    "offer_severity_critical": ("Critical: install now", "緊急：今すぐ適用してください"),
    "install_button": ("Install now", "今すぐインストール"),
    "install_started": (
        "The installation has begun. The camera restarts by itself; leave it switched on.",
        "インストールを開始しました。カメラは自動で再起動します。電源を切らないでください。",
    ),
    "bundle_title": ("Update from a file", "ファイルから更新"),
    "bundle_lead": (
        "For a camera that reaches no server: choose the update bundle (.bundle) of this model. It is verified in full "
        "before anything is written. If the camera has an operator, the bundle must have been made for this camera.",
        "サーバーに接続できないカメラ用です。この機種の更新ファイル（.bundle）を選んでください。書き込む前にすべて検証します。"
        "運用者に登録済みのカメラでは、このカメラ用に作成されたファイルが必要です。",
    ),
    "bundle_file": ("Update bundle", "更新ファイル"),
    "bundle_button": ("Upload and install", "アップロードしてインストール"),
    "bundle_choose": ("Please choose a file first.", "先にファイルを選んでください。"),
    "bundle_uploading": ("Uploading: {percent} %", "アップロード中：{percent} %"),
    "bundle_verifying": ("Verifying the signatures.", "署名を検証しています。"),
    "refused": (
        "This update was refused, and nothing was changed:",
        "この更新は拒否されました。何も変更されていません：",
    ),
    "refused_format": ("The file is no whole update bundle.", "更新ファイルではないか、壊れています。"),
    "refused_wrong_model": ("It is for another model.", "別の機種用です。"),
    "refused_wrong_hardware": ("It is for another hardware revision.", "別のハードウェア用です。"),
    "refused_rollback": (
        "It is older than what this camera runs, or has seen.",
        "このカメラの現在のバージョン、または確認済みの情報より古いものです。",
    ),
    "refused_epoch_rollback": (
        "It is a version with a known hole, which the manufacturer has shut out.",
        "既知の脆弱性があり、製造者が使用を禁止したバージョンです。",
    ),
    "refused_freeze": (
        "Its signatures have expired. Ask for a newer one.",
        "署名の期限が切れています。新しいファイルを入手してください。",
    ),
    "refused_arbitrary_software": (
        "The manufacturer has not signed it.",
        "製造者の署名がないか、数が足りません。",
    ),
    "refused_mix_and_match": ("It was changed after it was signed.", "署名後に変更されています。"),
    "refused_wrong_device": ("It was made for other cameras.", "別のカメラ用に作成されたものです。"),
    "refused_no_order": (
        "This camera has an operator. Ask them for a bundle for this camera.",
        "このカメラは運用者に登録されています。このカメラ用のファイルを運用者に依頼してください。",
    ),
    "refused_nothing_new": ("This camera has that version already.", "このカメラはすでにそのバージョンです。"),
    "refused_no_room": (
        "The camera has no room for a file of this size. Install it from a USB stick instead.",
        "カメラの空き容量が足りません。USBメモリから更新してください。",
    ),
    "refused_bundle_length": ("The file is too large or too small.", "ファイルの大きさが適切ではありません。"),
    "refused_bundle_gone": (
        "The upload was cut off. Please try again.",
        "アップロードが中断されました。もう一度お試しください。",
    ),
}  # fmt: skip

SCRIPT_TEXTS = (
    "offer_new", "offer_running", "offer_support", "offer_problem", "install_started", "bundle_choose",
    "bundle_uploading", "bundle_verifying", "refused",
    *(name for name in OFFER_TEXTS if name.startswith(("offer_severity_", "refused_"))),
)  # fmt: skip
"""The names of the texts that static/offers.js shows."""
