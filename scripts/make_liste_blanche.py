#!/usr/bin/env python3
"""Signs the invented liste blanche of fixtures/ with an authority of its own: make_liste_blanche.py [FOLDER].

Reads unsigned.xml in FOLDER (fixtures/liste_blanche) and writes there, all anew:

    ca.pem          the authority: a root and what issued the signer's certificate
    signed.xml      the list as the national one is signed
    tampered.xml    a domain changed after the signature
    other_ca.xml    signed by somebody for whom another authority vouches
    truncated.xml   the first two thirds of signed.xml
    bomb.xml        entities that would be a thousand million

No private key is kept. The signature is made without any XML library (ElementTree's canonical form and RSA), so that
the reader is proved against something else than itself.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "liste_blanche"
# Tests must not end with the certificates.
YEARS = 50
SIGNER = "liste-blanche.essai.example"

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"
RSA_SHA256, SHA256 = (
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmlenc#sha256",
)
# Too weak: made so that a test can see them refused.
RSA_SHA1, SHA1 = f"{DS}rsa-sha1", f"{DS}sha1"
_HASHES: dict[str, hashes.HashAlgorithm] = {RSA_SHA256: hashes.SHA256(), RSA_SHA1: hashes.SHA1()}  # noqa: S303
_DIGESTS = {SHA256: hashlib.sha256, SHA1: hashlib.sha1}


class Holder(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def authority(name: str, issuer: Holder | None = None) -> Holder:
    """A root, or one below another."""
    return _issue(name, issuer, authority=True)


def signer(
    issuer: Holder,
    name: str = SIGNER,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    bits: int = 2048,
) -> Holder:
    return _issue(name, issuer, since=since, until=until, purpose=purpose, bits=bits)


def _issue(
    name: str,
    issuer: Holder | None,
    *,
    authority: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    purpose: x509.ObjectIdentifier | None = None,
    bits: int = 2048,
) -> Holder:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    attributes = [
        (NameOID.COUNTRY_NAME, "FR"),
        (NameOID.ORGANIZATION_NAME, "ESSAI ANNUAIRE"),
        (NameOID.COMMON_NAME, name),
    ]
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
    above = subject if issuer is None else issuer.certificate.subject
    signing = key if issuer is None else issuer.key
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder(issuer_name=above, subject_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since or now - timedelta(days=1))
        .not_valid_after(until or now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return Holder(builder.sign(signing, hashes.SHA256()), key)


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def sign(
    document: str,
    by: Holder,
    *,
    uri: str = "",
    covered: str | None = None,
    references: int = 1,
    transforms: tuple[str, ...] = (ENVELOPED, EXCLUSIVE),
    method: str = RSA_SHA256,
    digest: str = SHA256,
    chain: tuple[Holder, ...] = (),
) -> str:
    """The document with its signature as the last child of its root; `covered` is another text to make a digest of."""
    content = ElementTree.canonicalize(document if covered is None else covered)
    value = base64.b64encode(_DIGESTS[digest](content.encode()).digest()).decode()
    applied = "".join(f'<Transform Algorithm="{one}"></Transform>' for one in transforms)
    reference = (
        f'<Reference URI="{uri}"><Transforms>{applied}</Transforms>'
        f'<DigestMethod Algorithm="{digest}"></DigestMethod><DigestValue>{value}</DigestValue></Reference>'
    )
    information = (
        f'<CanonicalizationMethod Algorithm="{EXCLUSIVE}"></CanonicalizationMethod>'
        f'<SignatureMethod Algorithm="{method}"></SignatureMethod>{reference * references}</SignedInfo>'
    )
    # Written in canonical form already: signed with the namespace that it has from the element above.
    octets = by.key.sign(
        f'<SignedInfo xmlns="{DS}">{information}'.encode(), padding.PKCS1v15(), _HASHES[method]
    )
    certificates = "".join(f"<X509Certificate>{_der(one)}</X509Certificate>" for one in (by, *chain))
    signature = (
        f'<Signature xmlns="{DS}"><SignedInfo>{information}'
        f"<SignatureValue>{base64.b64encode(octets).decode()}</SignatureValue>"
        f"<KeyInfo><X509Data>{certificates}</X509Data></KeyInfo></Signature>"
    )
    before, end, after = document.rpartition("</")
    return before + signature + end + after


def _der(holder: Holder) -> str:
    return base64.b64encode(holder.certificate.public_bytes(serialization.Encoding.DER)).decode()


def bomb() -> str:
    """A thousand million letters out of a kilobyte."""
    entities = ['<!ENTITY a0 "aaaaaaaaaa">']
    entities += [f'<!ENTITY a{one + 1} "{f"&a{one};" * 10}">' for one in range(8)]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<!DOCTYPE ListeBlancheMSSante [{''.join(entities)}]>\n"
        '<ListeBlancheMSSante xmlns="https://listeblanche.mssante.fr/schema">'
        "<DateDeGeneration>2026-11-02T03:15:00Z</DateDeGeneration><ListeDomaines><Domaine>"
        "<Nom>bombe.mssante.fr</Nom><Description>&a8;</Description></Domaine></ListeDomaines>"
        "</ListeBlancheMSSante>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    document = (folder / "unsigned.xml").read_text("utf-8")
    root = authority("AC RACINE D'ESSAI")
    issuing = authority("AC D'ESSAI ORGANISATIONS", root)
    signed = sign(document, signer(issuing))
    other = sign(document, signer(authority("AC D'AILLEURS")))
    (folder / "ca.pem").write_bytes(root.pem + issuing.pem)
    texts = {
        "signed.xml": signed,
        "tampered.xml": signed.replace("<Nom>medecin.mssante.fr", "<Nom>medecins.mssante.fr"),
        "other_ca.xml": other,
        "truncated.xml": signed[: len(signed) * 2 // 3],
        "bomb.xml": bomb(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
