from agent.formats import base64
from agent.formats.errors import FormatError

for data in (b"", b"a", b"ab", b"abc", bytes(range(256))):
    print(base64.encode(data), base64.decode(base64.encode(data)) == data)
    print(base64.encode_url(data), base64.decode_url(base64.encode_url(data)) == data)
for text in ("YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "Y Q==", "YQ==YQ==", "!!!!", "=", "YWI", "YWJ=", "あ"):
    for read in (base64.decode, base64.decode_url):
        try:
            print(text, read(text))
        except FormatError as error:
            print(text, error)
