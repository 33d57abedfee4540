from agent.formats import proxy
from agent.formats.errors import FormatError


def attempt(read, given):
    try:
        print(read(given))
    except FormatError as error:
        print(error)


for source in (
    {"host": "proxy.example", "port": 3128},
    {"host": "2001:db8::1", "port": 8080, "login_file": "/data/camward/config/proxy-login"},
    {"host": "proxy.example", "port": 0},
    {"host": "", "port": 1},
    {"host": "proxy.example/", "port": 1},
    {"host": "proxy example", "port": 1},
    {"host": "p" * 254, "port": 1},
    {"host": "p", "port": 1, "login_file": "login"},
    {"host": "p", "port": 1, "login": "a:b"},
    {"port": 1},
):
    attempt(proxy.parse, source)

for body in (
    b'{"v":1,"proxy":null}',
    b'{"v":1,"proxy":{"host":"p","port":1}}',
    b'{"v":2,"proxy":null}',
    b'{"v":1}',
    b'{"v":1,"proxy":null,"more":1}',
    b"",
):
    attempt(proxy.parse_site, body)

for body in (
    b"camera:secret",
    b"camera:a: b\n",
    b":x",
    b"camera",
    b"a:b\r\n",
    b"a:b\nc:d\n",
    b"a:\xff",
    b"a:" + b"b" * 511,
):
    attempt(proxy.parse_login, body)

for asked in (("broker.example", 8883, ""), ("2001:db8::2", 443, "camera:secret")):
    print(proxy.request(*asked))

for head in (
    b"HTTP/1.1 200 Connection established\r\n\r\n",
    b"HTTP/1.0 200\r\nVia: 1.1 proxy\r\n\r\n",
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
    b"HTTP/1.1 599 \r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 600 x\r\n\r\n",
    b"HTTP/1.1 20 x\r\n\r\n",
    b"HTTP/1.1 2\xb2\xb2 x\r\n\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"SSH-2.0-x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nmore",
    b"HTTP/1.1 200 " + b"x" * 8192 + b"\r\n\r\n",
):
    attempt(proxy.parse_answer, head)
for said in (None, proxy.Proxy("a.example", 3128, ""), proxy.Proxy("::1", 1, "/x")):
    print(proxy.encode_site(said), proxy.parse_site(proxy.encode_site(said)) == said)
