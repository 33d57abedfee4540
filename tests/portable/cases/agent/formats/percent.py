from agent.formats import percent

for text in ("", "targets", "-._~", "../delegated role", "?", "#", "100%", "あ", "a\nb\x00", "\U0001f4f7"):
    print(percent.encode(text), percent.encode(text, "/"), percent.encode(text, "!$&'()*+,;=:@/"))
