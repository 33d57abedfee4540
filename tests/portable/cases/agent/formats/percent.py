from agent.formats import percent
from agent.formats.errors import FormatError

for text in ("", "targets", "-._~", "../delegated role", "?", "#", "100%", "あ", "a\nb\x00", "\U0001f4f7"):
    print(percent.encode(text), percent.encode(text, "/"), percent.encode(text, "!$&'()*+,;=:@/"))
    print(percent.decode(percent.encode(text)) == text)
for text in ("%", "%2", "%2f", "%zz", "%41", "a b", "%FF", "%ED%A0%80", "%%", "%25%", "あ", "% 4"):
    try:
        print(percent.decode(text))
    except FormatError as error:
        print(text, error)
