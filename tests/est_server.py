"""An EST server that is none of ours: a root, an intermediate CA, and the quirks that RFC 7030 permits.

It puts each first request aside (202), answers in PKCS#7 that OpenSSL has made, with the chain in disorder and in lines
of base64 with CR LF, under a label.
"""

import base64
import datetime
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.factory_certificates import Maker, pem

LABEL = "cameras"
USER, PASSWORD = "gate-3", "open sesame, twice"
RETRY_AFTER_S = 7  # more than an agent waits by itself after the first failure


class Est:
    """Listens on 127.0.0.1 until `close`; `asked` has (path, body, client certificate, status) of each request."""

    def __init__(self, folder, maker=None):
        self.folder = folder
        folder.mkdir()
        self.pki = Maker("Ministry PKI")  # `root`, and `ca` between it and what is issued
        self.days, self.asked, self.put_aside = 90, [], {}
        self.certify = self.issue  # what is answered for a request; tests may put something else here
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "est")])
        host = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        own = self._sign(subject, key.public_key(), [host], ExtendedKeyUsageOID.SERVER_AUTH, datetime.timedelta())
        (folder / "est.pem").write_bytes(pem(own) + pem(self.pki.ca))
        (folder / "est.key").write_bytes(pem(key))
        (folder / "root.pem").write_bytes(pem(self.pki.root))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "est.pem", folder / "est.key")
        context.load_verify_locations(folder / "root.pem")
        if maker is not None:
            context.load_verify_locations(cadata=pem(maker.root).decode() + pem(maker.ca).decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}/.well-known/est/{LABEL}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def issue(self, request, ago=datetime.timedelta()):
        """A certificate with the subject and names that were asked for."""
        names = [one.value for one in request.extensions]
        return self._sign(request.subject, request.public_key(), names, ExtendedKeyUsageOID.CLIENT_AUTH, ago)

    def _sign(self, subject, key, names, usage, ago):
        now = datetime.datetime.now(datetime.UTC) - ago
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self.pki.ca.subject).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=self.days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.pki.key.public_key()), critical=False
            )
        )  # fmt: skip
        for one in names:
            builder = builder.add_extension(one, critical=False)
        return builder.sign(self.pki.key, hashes.SHA256())

    def answer(self, certificate):
        """Certs-only PKCS#7 by OpenSSL, the certificate between its CAs; base64 in lines that end as in mail."""
        chain = pem(self.pki.root) + pem(certificate) + pem(self.pki.ca)
        line = ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER"]
        der = subprocess.run(line, input=chain, capture_output=True, check=True).stdout
        return base64.encodebytes(der).replace(b"\n", b"\r\n")

    def decide(self, path, headers, body, peer):
        """Status, headers and body for one request."""
        operation = path.removeprefix(f"/.well-known/est/{LABEL}/")
        login = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        issuer = dict(part[0] for part in peer["issuer"])["commonName"] if peer else ""
        mine = issuer == "Ministry PKI devices"
        if operation not in ("simpleenroll", "simplereenroll") or headers["Content-Type"] != "application/pkcs10":
            return 404, {}, b""
        if not mine and (operation == "simplereenroll" or not (peer or headers["Authorization"] == login)):
            return 401, {"WWW-Authenticate": 'Basic realm="est"'}, b""
        request = x509.load_der_x509_csr(base64.b64decode(body))
        subject = request.subject.rfc4514_string()
        if subject not in self.put_aside:
            self.put_aside[subject] = body
            return 202, {"Retry-After": str(RETRY_AFTER_S)}, b"Somebody has to agree."
        if operation == "simpleenroll" and self.put_aside[subject] != body:
            return 400, {}, b"Another request."
        kind = {"Content-Type": "application/pkcs7-mime; smime-type=certs-only", "Content-Transfer-Encoding": "base64"}
        return 200, kind, self.answer(self.certify(request))

    def _handler(est):  # noqa: N805  (the handler has a `self` of its own)
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                peer = self.connection.getpeercert()
                status, headers, answer = est.decide(self.path, self.headers, body, peer)
                est.asked.append(
                    SimpleNamespace(path=self.path, body=body, peer=peer, status=status, at=time.monotonic())
                )
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_args):
                pass

        return Handler
