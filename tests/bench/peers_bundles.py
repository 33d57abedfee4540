"""What the peers install: the same slot image as ours, in each peer's own signed form, and the certificates they trust.

All keys are made anew for each run. One certificate signs RAUC's bundles (CMS over a dm-verity bundle) and SWUpdate's
description (CMS); another is the file server's, under an authority of its own, which the peers verify.
"""

import datetime
import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware_sim.image.run import run_tool

HOST = "10.0.2.2"
"""What QEMU's user networking calls us."""
COMPATIBLE, REVISION = "kawa-1", "a"
VALID = datetime.timedelta(days=2)
SLOT_DEVICE = "/dev/dm-3"
"""Where the peers find the inactive slot: the first device-mapper number that the camera itself does not use."""


@dataclass(frozen=True)
class Certificates:
    """PEM files.

    Attributes:
        authority: what the peers trust as the file server's issuer.
        server: its certificate, with the key in the same file.
        signer: certificate that signs bundles; it is its own issuer.
        signer_key: its key.
    """

    authority: Path
    server: Path
    signer: Path
    signer_key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make all keys and certificates of one run."""
    authority_key, authority = _self_signed("bench authority", signs_code=False)
    server_key = ec.generate_private_key(ec.SECP256R1())
    server = (
        _builder("bench file server", authority.subject, server_key)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    signer_key, signer = _self_signed("bench release", signs_code=True)
    found = Certificates(*(folder / name for name in ("authority.pem", "server.pem", "signer.pem", "signer.key.pem")))
    found.authority.write_bytes(_pem(authority))
    found.server.write_bytes(_pem(server) + _key_pem(server_key))
    found.signer.write_bytes(_pem(signer))
    found.signer_key.write_bytes(_key_pem(signer_key))
    return found


def _self_signed(name: str, *, signs_code: bool) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, subject, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    if signs_code:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(purposes, critical=False)
    return key, builder.sign(key, hashes.SHA256())


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID)
        .not_valid_after(now + VALID)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_rauc_bundle(slot: Path, version: str, certificates: Certificates, target: Path, *, adaptive: bool) -> None:
    """A bundle of the format `verity`, which RAUC streams; `adaptive` adds the index of block hashes.

    Raises:
        ImageError: the tool failed.
        OSError: writing failed.
    """
    content = target.with_name(target.name + ".content")
    content.mkdir()
    image = content / (slot.stem + ".img")
    image.hardlink_to(slot)
    method = "adaptive=block-hash-index;\n" if adaptive else ""
    (content / "manifest.raucm").write_text(
        f"[update]\ncompatible={COMPATIBLE}\nversion={version}\n\n[bundle]\nformat=verity\n\n"
        f"[image.rootfs]\nfilename={image.name}\n{method}"
    )
    run_tool(
        ["rauc", "bundle", f"--cert={certificates.signer}", f"--key={certificates.signer_key}", content, target],
        env={"SOURCE_DATE_EPOCH": None},
    )


def make_swu(slot: Path, version: str, certificates: Certificates, target: Path) -> None:
    """An update for SWUpdate whose image goes straight into the raw slot while it arrives.

    Raises:
        ImageError: a tool failed.
        OSError: writing failed.
    """
    content = target.with_name(target.name + ".content")
    content.mkdir()
    (content / slot.name).hardlink_to(slot)
    digest = hashlib.sha256(slot.read_bytes()).hexdigest()
    (content / "sw-description").write_text(
        f'software = {{ version = "{version}"; hardware-compatibility = [ "{REVISION}" ];\n'
        f' images: ( {{ filename = "{slot.name}"; device = "{SLOT_DEVICE}"; type = "raw";\n'
        f'  installed-directly = true; sha256 = "{digest}"; }} ); }}\n'
    )
    run_tool(
        [
            "openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig",
            "-signer", certificates.signer, "-inkey", certificates.signer_key,
            "-outform", "DER", "-nosmimecap", "-binary",
        ],
        cwd=content,
    )  # fmt: skip
    names = "\n".join(("sw-description", "sw-description.sig", slot.name)) + "\n"
    made = run_tool(["cpio", "--quiet", "-o", "-H", "crc", "-L"], cwd=content, stdin=names.encode())
    target.write_bytes(made.stdout)
