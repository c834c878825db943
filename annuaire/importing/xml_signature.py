"""Who signed an XML document: one enveloped XMLDSig over all of it, by somebody for whom a given authority vouches.

What is not exactly that is refused, and only the element that the signature covers is handed on: what is signed is
what is read. Follows W3C XML Signature 1.1 by signxml, RFC 5280 by cryptography.

Security: a valid signature may lie beside other content (wrapping), cover a part, use an algorithm that can be
forged, or be made with a certificate of anybody; each is refused by name below.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from annuaire.errors import Malformed, Refused
from annuaire.importing import hostile_xml

_DS = "{http://www.w3.org/2000/09/xmldsig#}"

# SHA-1, MD5, HMAC and DSA are none of them.
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
# Without comments, so that none can part a value in what is read.
_CANONICAL = frozenset(
    one.value
    for one in (
        CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        CanonicalizationMethod.CANONICAL_XML_1_0,
        CanonicalizationMethod.CANONICAL_XML_1_1,
    )
)
_TRANSFORMS = _CANONICAL | {SignatureConstructionMethod.enveloped.value}
RSA_BITS_MIN = 2048
EC_BITS_MIN = 256

# What a certificate that signs documents may be made for. The same authority gives every operator a certificate for
# its servers: those sign no list. The national signer's says emailProtection.
_PURPOSES = frozenset(
    {
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # documentSigning, RFC 9336
    }
)
# A root and what may lie below it.
CHAIN_MAX = 4
# Certificates in one bundle.
AUTHORITIES_MAX = 100


class Authority(NamedTuple):
    """Who may vouch for a signer: roots, and certificates that only lead to them."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]


class Signer(NamedTuple):
    common_name: str
    subject: str  # RFC 4514
    since: datetime
    until: datetime


class Signed(NamedTuple):
    """The element that the signature covers, without the signature, and who signed."""

    root: etree._Element
    signer: Signer


def authority(data: bytes) -> Authority:
    """Certificates from a PEM bundle, one DER certificate, or PKCS#7 (the form in which IGC-Santé gives its chain).

    Self-issued ones are roots; where there is none, all are: whoever gave them vouches for them.
    """
    certificates = _certificates(data)
    if not certificates or len(certificates) > AUTHORITIES_MAX:
        raise Malformed("pas de certificat d'autorité lisible (PEM, DER ou PKCS#7 attendu)")
    roots = tuple(one for one in certificates if one.subject == one.issuer)
    rest = tuple(one for one in certificates if one.subject != one.issuer)
    return Authority(roots, rest) if roots else Authority(rest, ())


def _certificates(data: bytes) -> list[x509.Certificate]:
    readers = (
        x509.load_pem_x509_certificates,
        lambda octets: [x509.load_der_x509_certificate(octets)],
        pkcs7.load_pem_pkcs7_certificates,
        pkcs7.load_der_pkcs7_certificates,
    )
    for read in readers:
        try:
            return read(data)
        except ValueError:
            continue
    return []


def is_signed(root: etree._Element) -> bool:
    return next(root.iter(f"{_DS}Signature"), None) is not None


def without_signature(root: etree._Element) -> etree._Element:
    """The document without what its end says about who made it, which nobody has verified."""
    for signature in root.findall(f"{_DS}Signature"):
        root.remove(signature)
    return root


def verify(root: etree._Element, trusted: Authority, now: datetime) -> Signed:
    """Refused unless somebody for whom `trusted` vouches at this moment signed the whole document."""
    signature = _only_signature(root)
    _check_form(signature)
    shown = _shown_certificates(signature)
    signer = _described(shown[0])
    _check_validity(signer, now)
    _check_key(shown[0])
    _check_chain(shown[0], shown[1:], trusted, now, signer)
    configuration = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        # The certificate is the one that was chained; what KeyValue says beside it means nothing.
        ignore_ambiguous_key_info=True,
        verification_time=now,
    )
    try:
        result = XMLVerifier().verify(
            root, x509_cert=shown[0], parser=hostile_xml.parser(), expect_config=configuration
        )
    except (SignXMLException, etree.LxmlError, ValueError, KeyError) as error:
        raise _forged(error) from error
    assert not isinstance(result, list)
    if result.signed_xml is None or result.signed_xml.tag != root.tag or is_signed(result.signed_xml):
        raise _unexpected("what it covers is not the document")
    return Signed(result.signed_xml, signer)


def _forged(error: Exception) -> Refused:
    return Refused(
        "la signature ne correspond pas au contenu : le fichier a été modifié après la signature, reprenez-le"
        " à sa source",
        f"{type(error).__name__}: {error}",
    )


def _unexpected(reason: str) -> Refused:
    return Refused("la signature n'a pas la forme attendue : une seule, sur tout le document", reason)


# ------------------------------------------------------------------ the form


def _only_signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(f"{_DS}Signature"))
    if len(found) != 1:
        raise _unexpected(f"{len(found)} signatures")
    if found[0].getparent() is not root:
        raise _unexpected("the signature is not directly below the root")
    return found[0]


def _check_form(signature: etree._Element) -> None:
    """Everything that decides what is covered, and how, before any library follows it."""
    signed_info = _one(signature, "SignedInfo")
    reference = _one(signed_info, "Reference")
    if reference.get("URI") != "":
        raise _unexpected(f"it covers {reference.get('URI')!r}, not the document")
    transforms = [
        one.get("Algorithm") for one in _one(reference, "Transforms").iterchildren(f"{_DS}Transform")
    ]
    if SignatureConstructionMethod.enveloped.value not in transforms or not _TRANSFORMS.issuperset(
        transforms
    ):
        raise _unexpected(f"transforms {transforms}")
    _check_algorithm(_one(signed_info, "CanonicalizationMethod"), _CANONICAL)
    _check_algorithm(_one(signed_info, "SignatureMethod"), {one.value for one in _METHODS})
    _check_algorithm(_one(reference, "DigestMethod"), {one.value for one in _DIGESTS})


def _check_algorithm(element: etree._Element, known: frozenset[str] | set[str]) -> None:
    algorithm = element.get("Algorithm", "")
    if algorithm not in known:
        name = algorithm.rpartition("#")[2] or algorithm
        raise Refused(
            f"la signature emploie un algorithme trop faible ou inconnu, {name[:40]} : demandez une liste signée"
            " en RSA ou ECDSA avec SHA-256 au moins",
            algorithm[:200],
        )


def _one(element: etree._Element, name: str) -> etree._Element:
    found = list(element.iterchildren(_DS + name))
    if len(found) != 1:
        raise _unexpected(f"{len(found)} elements {name}")
    return found[0]


# ------------------------------------------------------------------ the certificate


def _shown_certificates(signature: etree._Element) -> list[x509.Certificate]:
    """The signer's certificate, then those that may lead from it to a root."""
    texts = [one.text or "" for one in signature.iterfind(f"{_DS}KeyInfo/{_DS}X509Data/{_DS}X509Certificate")]
    if not texts:
        raise _unexpected("no X509Certificate in KeyInfo")
    if len(texts) > CHAIN_MAX:
        raise _unexpected(f"{len(texts)} certificates")
    try:
        found = [x509.load_der_x509_certificate(base64.b64decode(text, validate=False)) for text in texts]
        # Their order means nothing (XMLDSig §4.5.4): the signer's is the one that issued none of the others.
        issuers = {one.issuer for one in found if one.issuer != one.subject}
        leaves = [one for one in found if one.subject not in issuers]
    except (ValueError, binascii.Error) as error:
        raise _unexpected(f"certificate: {error}") from error
    if len(leaves) != 1:
        raise _unexpected("its certificates are no chain")
    return [*leaves, *(one for one in found if one is not leaves[0])]


def _described(certificate: x509.Certificate) -> Signer:
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        common = str(names[0].value) if names else ""
        subject = certificate.subject.rfc4514_string()
    except ValueError as error:
        raise _unexpected(f"certificate: {error}") from error
    return Signer(common, subject, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _check_validity(signer: Signer, now: datetime) -> None:
    if not signer.since <= now <= signer.until:
        raise Refused(
            f"le certificat du signataire ({signer.common_name}) vaut du {_day(signer.since)} au"
            f" {_day(signer.until)}, pas le {_day(now)} : prenez une liste plus récente",
            f"{signer.subject}: {signer.since.isoformat()} to {signer.until.isoformat()}",
        )


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%d/%m/%Y")


def _check_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_MIN) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= EC_BITS_MIN
    )
    if not strong:
        raise Refused("la clé du signataire est trop faible : RSA de 2048 bits au moins, ou ECDSA de 256")


def _check_chain(
    certificate: x509.Certificate,
    shown: list[x509.Certificate],
    trusted: Authority,
    now: datetime,
    signer: Signer,
) -> None:
    builder = verification.PolicyBuilder().store(verification.Store(list(trusted.roots))).time(now)
    builder = builder.max_chain_depth(CHAIN_MAX)
    # The rules of web servers' certificates are not those of the national authority: RFC 5280 alone.
    builder = builder.extension_policies(ca_policy=_AUTHORITY_POLICY, ee_policy=_SIGNER_POLICY)
    try:
        builder.build_client_verifier().verify(certificate, [*trusted.intermediates, *shown])
    except verification.VerificationError as error:
        raise Refused(
            f"l'autorité donnée ne répond pas du signataire ({signer.common_name}) : vérifiez --ca et d'où vient la"
            " liste",
            f"{signer.subject}: {error}",
        ) from error


def _is_authority(policy: object, certificate: x509.Certificate, found: x509.BasicConstraints) -> None:
    if not found.ca:
        raise ValueError("not the certificate of an authority")


def _signs_certificates(policy: object, certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("its key does not sign certificates")


def _is_no_authority(
    policy: object, certificate: x509.Certificate, found: x509.BasicConstraints | None
) -> None:
    if found is not None and found.ca:
        raise ValueError("the certificate of an authority signs no list")


def _signs(policy: object, certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    # A legal signature may say contentCommitment alone (RFC 5280 §4.2.1.3).
    if found is not None and not (found.digital_signature or found.content_commitment):
        raise ValueError("its key does not sign")


def _signs_documents(
    policy: object, certificate: x509.Certificate, found: x509.ExtendedKeyUsage | None
) -> None:
    if found is not None and not _PURPOSES.intersection(found):
        raise ValueError("the certificate was made for something else than signing documents")


_ANY = verification.Criticality.AGNOSTIC
_AUTHORITY_POLICY = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, _ANY, _is_authority)
    .may_be_present(x509.KeyUsage, _ANY, _signs_certificates)
)
_SIGNER_POLICY = (
    verification.ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, _ANY, _is_no_authority)
    .may_be_present(x509.KeyUsage, _ANY, _signs)
    .may_be_present(x509.ExtendedKeyUsage, _ANY, _signs_documents)
)
