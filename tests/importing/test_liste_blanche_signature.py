"""A list is taken when somebody whom the authority vouches for signed all of it, and not otherwise.

The signatures are made by scripts/make_liste_blanche.py, which shares no code with the verification.
"""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import make_liste_blanche as making
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from annuaire.domain.liste_blanche import ListeBlanche
from annuaire.errors import Malformed, Refused
from annuaire.importing import liste_blanche_xml, xml_signature
from annuaire.importing.liste_blanche_xml import Reading

NOW = datetime.now(UTC)
EMPTY = "<ListeDomaines></ListeDomaines>"


@pytest.fixture(scope="module")
def folder(fixtures):
    return fixtures / "liste_blanche"


@pytest.fixture(scope="module")
def unsigned(folder):
    return (folder / "unsigned.xml").read_text("utf-8")


@pytest.fixture(scope="module")
def root():
    return making.authority("AC RACINE")


@pytest.fixture(scope="module")
def issuing(root):
    return making.authority("AC ORGANISATIONS", root)


@pytest.fixture(scope="module")
def signer(issuing):
    return making.signer(issuing)


@pytest.fixture(scope="module")
def trusted(root, issuing):
    return xml_signature.authority(root.pem + issuing.pem)


def read(text: str, trusted: xml_signature.Authority | None, now: datetime = NOW) -> Reading:
    return liste_blanche_xml.read(text.encode(), trusted, now)


def refusal(text: str, trusted: xml_signature.Authority | None, now: datetime = NOW) -> Refused:
    with pytest.raises(Refused) as refused:
        read(text, trusted, now)
    return refused.value


# ------------------------------------------------------------------ the fixtures


def test_the_signed_list_of_the_fixtures_is_taken_and_its_signer_named(folder):
    trusted = xml_signature.authority((folder / "ca.pem").read_bytes())
    reading = liste_blanche_xml.read((folder / "signed.xml").read_bytes(), trusted, NOW)
    assert reading.rows == liste_blanche_xml.read_unsigned((folder / "unsigned.xml").read_bytes()).rows
    assert reading.signer is not None
    assert reading.signer.common_name == "liste-blanche.essai.example"
    assert reading.signer.until > NOW + timedelta(days=365 * 20)


def test_the_signature_of_the_fixtures_holds_by_the_recipe_that_real_lists_were_checked_with(folder):
    text = (folder / "signed.xml").read_text("utf-8")
    signature = re.search(r"<Signature .*</Signature>", text, re.DOTALL)
    assert signature is not None
    rest = ElementTree.canonicalize(text.replace(signature[0], ""))
    digest = base64.b64encode(hashlib.sha256(rest.encode()).digest()).decode()
    assert f"<DigestValue>{digest}</DigestValue>" in signature[0]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("unsigned", Refused, "n'est pas signée"),
        ("tampered", Refused, "modifié après la signature"),
        ("other_ca", Refused, "ne répond pas du signataire"),
        ("truncated", Malformed, "tronqué"),
        ("bomb", Malformed, "DTD"),
    ],
)
def test_each_broken_list_of_the_fixtures_is_refused_for_its_reason(folder, name, kind, said):
    trusted = xml_signature.authority((folder / "ca.pem").read_bytes())
    with pytest.raises(kind) as refused:
        liste_blanche_xml.read((folder / f"{name}.xml").read_bytes(), trusted, NOW)
    assert said in refused.value.public


def test_no_private_key_lies_among_the_fixtures(folder):
    assert not [path for path in folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()]


# ------------------------------------------------------------------ who signs


def test_a_signature_that_nobody_vouches_for_proves_nothing(unsigned, signer):
    refused = refusal(making.sign(unsigned, signer), None)
    assert "--ca" in refused.public
    assert "--unsigned" in refused.public


def test_the_root_alone_suffices_when_the_list_brings_what_lies_between(unsigned, root, issuing, signer):
    alone = xml_signature.authority(root.pem)
    assert read(making.sign(unsigned, signer, chain=(issuing,)), alone).signer is not None
    assert "ne répond pas" in refusal(making.sign(unsigned, signer), alone).public


def test_the_order_of_the_certificates_in_the_signature_means_nothing(unsigned, root, issuing, signer):
    text = making.sign(unsigned, signer, chain=(issuing, root))
    shown = re.findall(r"<X509Certificate>.*?</X509Certificate>", text)
    assert len(shown) == 3
    turned = text.replace("".join(shown), "".join(reversed(shown)))
    assert read(turned, xml_signature.authority(root.pem)).signer is not None


def test_whoever_gives_the_issuer_alone_vouches_for_it(unsigned, issuing, signer):
    assert read(making.sign(unsigned, signer), xml_signature.authority(issuing.pem)).signer is not None


def test_another_authority_of_the_same_name_does_not_do(unsigned, trusted):
    namesake = making.signer(making.authority("AC ORGANISATIONS", making.authority("AC RACINE")))
    assert "ne répond pas" in refusal(making.sign(unsigned, namesake), trusted).public


def test_a_certificate_signed_by_a_mere_signer_is_nobodys(unsigned, trusted, signer):
    """A holder of a certificate cannot act as an authority."""
    below = making.signer(signer, "sous-traitant.example")
    assert "ne répond pas" in refusal(making.sign(unsigned, below, chain=(signer,)), trusted).public


def test_an_authority_itself_signs_no_list(unsigned, trusted, issuing):
    assert "ne répond pas" in refusal(making.sign(unsigned, issuing), trusted).public


def test_the_certificate_of_an_operators_server_signs_no_list(unsigned, trusted, issuing):
    """The same authority certifies every operator: what its servers show must not make lists."""
    server = making.signer(issuing, "mx.operateur.example", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    refused = refusal(making.sign(unsigned, server), trusted)
    assert "ne répond pas" in refused.public
    assert "something else than signing" in refused.reason


def test_an_expired_signer_is_refused_with_its_dates(unsigned, trusted, issuing):
    since, until = datetime(2023, 8, 23, tzinfo=UTC), datetime(2026, 8, 23, tzinfo=UTC)
    text = making.sign(unsigned, making.signer(issuing, since=since, until=until))
    refused = refusal(text, trusted)
    assert "vaut du 23/08/2023 au 23/08/2026" in refused.public
    assert "23/08/2023" in refusal(text, trusted, since - timedelta(seconds=1)).public


def test_the_moment_of_the_load_is_what_counts(unsigned, root, issuing, trusted):
    soon = NOW + timedelta(days=365)
    text = making.sign(unsigned, making.signer(issuing, since=soon))
    assert "vaut du" in refusal(text, trusted).public
    assert read(text, trusted, soon + timedelta(days=1)).signer is not None


def test_an_authority_that_has_expired_vouches_for_nobody(unsigned, signer, trusted):
    with pytest.raises(Refused):
        read(making.sign(unsigned, signer), trusted, NOW + timedelta(days=365 * 60))


def test_a_short_key_signs_nothing(unsigned, trusted, issuing):
    assert "trop faible" in refusal(making.sign(unsigned, making.signer(issuing, bits=1024)), trusted).public


# ------------------------------------------------------------------ what is signed


def test_any_change_of_the_signed_text_is_noticed(unsigned, signer, trusted):
    text = making.sign(unsigned, signer)
    for before, after in [
        ("medecin.mssante.fr", "medecine.mssante.fr"),
        ("mx.operateur-a.example", "mx.operateur-z.example"),
        ("2026-11-02T", "2027-11-02T"),
        ("<Domaine>", "<Domaine> "),
        ("<ListeDomaines>", f"<ListeDomaines>{re.search('<Domaine>.*?</Domaine>', text, re.DOTALL)[0]}"),
        ("</ListeDomaines>", "</ListeDomaines><!-- -->&#32;"),
    ]:
        changed = text.replace(before, after, 1)
        assert changed != text
        assert "modifié après la signature" in refusal(changed, trusted).public


def test_comments_are_not_signed_and_change_nothing_that_is_read(unsigned, signer, trusted):
    """Canonical form leaves them out, so anybody can add some: even inside a value they must not count."""
    text = making.sign(unsigned, signer).replace("<Nom>medecin.mssante.fr", "<Nom>medecin.<!-- -->mssante.fr")
    assert ListeBlanche(read(text, trusted).rows).listed("medecin.mssante.fr")


def test_a_signature_value_that_was_changed_is_refused(unsigned, signer, trusted):
    text = making.sign(unsigned, signer)
    value = re.search("<SignatureValue>(.)", text)[1]
    changed = text.replace(f"<SignatureValue>{value}", f"<SignatureValue>{'B' if value == 'A' else 'A'}")
    assert "modifié après la signature" in refusal(changed, trusted).public


def test_the_certificate_of_somebody_else_in_the_signature_does_not_do(unsigned, issuing, signer, trusted):
    """Signed by a key of one's own, shown with the certificate of the true signer."""
    forger = making.Holder(signer.certificate, making.signer(issuing, "forger.example").key)
    assert "modifié après la signature" in refusal(making.sign(unsigned, forger), trusted).public


@pytest.mark.parametrize(
    "weak",
    [
        {"digest": making.SHA1},
        {"method": making.RSA_SHA1},
        {"digest": making.SHA1, "method": making.RSA_SHA1},
    ],
)
def test_weak_algorithms_are_refused_by_name(unsigned, signer, trusted, weak):
    refused = refusal(making.sign(unsigned, signer, **weak), trusted)
    assert "algorithme" in refused.public
    assert "sha1" in refused.public


def test_a_keyed_digest_is_no_signature(unsigned, signer, trusted):
    """With HMAC, whoever can verify can sign, and the verifier could take a public key for the secret."""
    text = making.sign(unsigned, signer).replace(making.RSA_SHA256, f"{making.DS}hmac-sha256")
    assert "algorithme" in refusal(text, trusted).public


def wrapped(unsigned: str, signer: making.Holder) -> list[str]:
    """True signatures of one thing beside something else that would be read."""
    signed = making.sign(unsigned, signer)
    signature = re.search(r"<Signature .*</Signature>", signed, re.DOTALL)[0]
    own = unsigned.replace("medecin.mssante.fr", "mechant.example")
    body = signed.partition("?>")[2]
    head, _, tail = own.rpartition("</")
    part = making.sign(unsigned.replace("<ListeDomaines>", '<ListeDomaines Id="a">'), signer, uri="#a")
    return [
        # The signed document inside another one, and the other way round.
        f"{head}{body}</{tail}",
        f"{head}<Object xmlns='{making.DS}'>{body}</Object></{tail}",
        f"{head}{signature.replace('</Signature>', f'<Object>{body}</Object></Signature>')}</{tail}",
        # The signature deeper than the root.
        own.replace("<ListeDomaines>", f"<ListeDomaines>{signature}"),
        # Twice.
        signed.replace(signature, signature * 2),
        own.replace("</ListeDomaines>", f"</ListeDomaines>{signature}"),
        # A part of the document, another document, nothing at all, two things.
        part,
        making.sign(own, signer, covered=unsigned, uri="http://127.0.0.1:1/"),
        making.sign(own, signer, covered=unsigned, uri="#xpointer(/)"),
        making.sign(own, signer, references=0),
        making.sign(unsigned, signer, references=2),
        # A transform that would choose what is covered, or none that leaves the signature out.
        making.sign(unsigned, signer, transforms=("http://www.w3.org/TR/1999/REC-xpath-19991116",)),
        making.sign(
            unsigned, signer, transforms=(making.ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116")
        ),
        making.sign(unsigned, signer, transforms=(making.ENVELOPED, f"{making.DS}base64")),
        making.sign(unsigned, signer, transforms=(making.ENVELOPED, f"{making.EXCLUSIVE}WithComments")),
        making.sign(unsigned, signer, transforms=(making.EXCLUSIVE,)),
        signed.replace("<KeyInfo>", "<KeyInfo><RetrievalMethod URI='http://127.0.0.1:1/'/>").replace(
            "X509Data", "PGPData"
        ),
        re.sub("<X509Certificate>.*?</X509Certificate>", "<X509Certificate>AAAA</X509Certificate>", signed),
        re.sub("<KeyInfo>.*</KeyInfo>", "", signed),
        re.sub("<SignedInfo>.*</SignedInfo>", "", signed),
        re.sub("<SignatureValue>.*</SignatureValue>", "", signed),
        re.sub("<Signature .*</Signature>", f"<Signature xmlns='{making.DS}'/>", signed),
    ]


@pytest.mark.parametrize("which", range(22))
def test_a_signature_of_something_else_or_of_another_form_is_refused(unsigned, signer, trusted, which):
    found = wrapped(unsigned, signer)
    assert len(found) == 22
    assert "signature" in refusal(found[which], trusted).public


def test_what_was_not_signed_is_not_read(unsigned, signer, trusted):
    """The rows come from the verified element: the list's own tree, were it another, would not matter."""
    reading = read(making.sign(unsigned, signer), trusted)
    assert {one.domain for one in reading.rows} >= {"medecin.mssante.fr", "dgs.mssante.fr"}


def test_an_unsigned_reading_looks_at_no_signature(unsigned, signer):
    text = making.sign(unsigned, signer).replace("medecin.mssante.fr", "medecins.mssante.fr")
    reading = liste_blanche_xml.read_unsigned(text.encode())
    assert reading.signer is None
    assert ListeBlanche(reading.rows).listed("medecins.mssante.fr")


# ------------------------------------------------------------------ the authority's file


def test_an_authority_is_read_in_each_form_in_which_authorities_give_theirs(root, issuing):
    certificates = [root.certificate, issuing.certificate]
    der, pem = serialization.Encoding.DER, serialization.Encoding.PEM
    forms = [
        root.pem + issuing.pem,
        issuing.pem + b"# a remark\n" + root.pem,
        pkcs7.serialize_certificates(certificates, pem),
        pkcs7.serialize_certificates(certificates, der),
    ]
    for form in forms:
        found = xml_signature.authority(form)
        assert found.roots == (root.certificate,)
        assert found.intermediates == (issuing.certificate,)
    assert xml_signature.authority(root.certificate.public_bytes(der)).roots == (root.certificate,)


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_certificates_is_no_authority(data):
    with pytest.raises(Malformed, match="certificat d'autorité"):
        xml_signature.authority(data)


def test_a_signer_may_have_no_common_name(issuing):
    assert isinstance(issuing.certificate, x509.Certificate)
    assert xml_signature._described(issuing.certificate).common_name == "AC ORGANISATIONS"
