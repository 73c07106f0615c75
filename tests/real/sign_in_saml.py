"""People sign in through pysaml2 as SAML identity provider: signed in each way, encrypted, and in all
the ways that must let nobody in.
"""

import base64
import re
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import saml2.entity
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.sigver import pre_encryption_part
from saml2.xmldsig import DIGEST_SHA1, DIGEST_SHA256, SIG_RSA_SHA1, SIG_RSA_SHA256

import saml_sign_out
from main_job import check
from sign_in import Browser, enrol, owes, rules

ISSUER = "http://idp.example/metadata"
SIGN_IN = "http://idp.example/sso"
SIGN_OUT = "http://idp.example/slo"
TOKEN = "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken"


def keys(folder, name):
    """A key and its certificate, as files."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    key_file, certificate_file = Path(folder, f"{name}.key"), Path(folder, f"{name}.crt")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    certificate_file.write_bytes(certificate.public_bytes(pem))
    return str(key_file), str(certificate_file)


def config(key_file, certificate_file, metadata=None):
    settings = {
        "entityid": ISSUER,
        "service": {
            "idp": {
                "endpoints": {
                    "single_sign_on_service": [(SIGN_IN, BINDING_HTTP_REDIRECT)],
                    "single_logout_service": [
                        (SIGN_OUT, BINDING_HTTP_REDIRECT),
                        (f"{SIGN_OUT}/form", BINDING_HTTP_POST),
                    ],
                },
                "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None}},
            }
        },
        "key_file": key_file,
        "cert_file": certificate_file,
        "xmlsec_binary": "/usr/bin/xmlsec1",
    }
    if metadata:
        settings["metadata"] = {"inline": [metadata]}
    return IdPConfig().load(settings)


class Provider:
    """The identity provider, with what it answers about Ada."""

    def __init__(self, hub, provider, server):
        self.hub, self.provider, self.server = hub, provider, server
        self.entity = f"{hub.base}/api/v1/sso/{provider}/metadata"
        self.acs = f"{hub.base}/api/v1/sso/{provider}/acs"

    def begin(self, browser):
        """The id of the request, and the state that has to come back."""
        begun = browser.ask("POST", f"/sso/{self.provider}/start", {"next": "/accounts"})
        return self.asked(begun.json()["url"])

    def asked(self, url):
        query = parse_qs(urlsplit(url).query)
        request = self.server.parse_authn_request(query["SAMLRequest"][0], BINDING_HTTP_REDIRECT)
        return request.message.id, query["RelayState"][0]

    def answer(self, request, **more):
        options = {
            "in_response_to": request,
            "destination": self.acs,
            "sp_entity_id": self.entity,
            "name_id": NameID(format=NAMEID_FORMAT_PERSISTENT, text="ada-at-saml"),
            "authn": {
                "class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
                "authn_auth": ISSUER,
            },
            "sign_response": True,
            "sign_assertion": True,
            "sign_alg": SIG_RSA_SHA256,
            "digest_alg": DIGEST_SHA256,
        }
        identity = {"mail": ["ada.saml@one.example"], "displayName": ["Ada"], "eduPersonAffiliation": ["ops"]}
        return str(self.server.create_authn_response(identity, **{**options, **more}))

    def send(self, browser, response, state):
        """The browser brings the answer, from the provider's page."""
        field = response if isinstance(response, str) else response.decode()
        data = {"SAMLResponse": base64.b64encode(field.encode()).decode()}
        if state is not None:
            data["RelayState"] = state
        answer = browser.post(
            self.acs,
            data=data,
            headers={"Sec-Fetch-Site": "cross-site", "Origin": "http://idp.example"},
            allow_redirects=False,
        )
        if answer.is_redirect:
            answer = browser.get(answer.headers["Location"], allow_redirects=False)
        return answer


def encrypted(server, answer):
    """pysaml2 encrypts with an algorithm of the past unless it is told otherwise."""

    def with_aes(**options):
        return pre_encryption_part(msg_enc="http://www.w3.org/2001/04/xmlenc#aes128-cbc", **options)

    original, crypto = saml2.entity.pre_encryption_part, server.sec.crypto
    encrypt = crypto.encrypt_assertion

    def with_session_key(statement, key, template, key_type=None, node_xpath=None, node_id=None):
        return encrypt(statement, key, template, "aes-128", node_xpath, node_id)

    saml2.entity.pre_encryption_part = with_aes
    crypto.encrypt_assertion = with_session_key
    try:
        return answer()
    finally:
        saml2.entity.pre_encryption_part = original
        crypto.encrypt_assertion = encrypt


def wrapped(response):
    """The signed assertion moved aside, and an evil one in its place (XSW)."""
    assertion = re.search(r"<(\w+:)?Assertion.*</(\w+:)?Assertion>", response, re.S).group(0)
    evil = re.sub(r"<(\w+:)?Signature.*?</(\w+:)?Signature>", "", assertion, flags=re.S)
    evil = evil.replace("ada-at-saml", "admin-at-saml").replace(
        "ada.saml@one.example", "admin@example.com"
    )
    identifier = re.search(r'ID="([^"]+)"', assertion).group(1)
    evil = evil.replace(identifier, "evil")
    return response.replace(assertion, evil + assertion), response.replace(
        assertion, assertion + evil
    )


def run(hub, folder):
    own, other = keys(folder, "idp"), keys(folder, "stranger")
    metadata = str(entity_descriptor(config(*own)))
    body = rules(
        "Saml",
        saml={"metadata": metadata, "single_logout": True},
        attributes={"email": "mail", "name": "displayName", "groups": "eduPersonAffiliation"},
        trust_email=True,
        email_domains=["one.example"],
    )
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]>' + metadata
    refused = hub.admin.ask("POST", "/identity-providers", {**body, "saml": {"metadata": bomb}})
    check("saml: metadata with entities are refused", refused.status_code == 422, refused.text)
    unsigned = re.sub(r"<(\w+:)?KeyDescriptor.*?</(\w+:)?KeyDescriptor>", "", metadata, flags=re.S)
    refused = hub.admin.ask("POST", "/identity-providers", {**body, "saml": {"metadata": unsigned}})
    check("saml: metadata without a certificate are refused", refused.status_code == 422, refused.text)
    provider = hub.add(body)
    ours = Browser(hub.base).ask("GET", f"/sso/{provider}/metadata").text
    server = Server(config=config(*own, metadata=ours))
    stranger = Server(config=config(*other, metadata=ours))
    idp = Provider(hub, provider, server)

    def opened():
        test = hub.must("POST", f"/identity-providers/{provider}/test", {}).json()
        request, state = idp.asked(test["url"])
        outcome = idp.send(hub.admin, idp.answer(request), state)
        check("saml: a test sign-in is let in", outcome.ok and outcome.json()["accepted"], outcome.text)
        hub.enable(provider)

    opened()

    def comes(what, respond, accepted=False, state_of=lambda state: state, why=None):
        browser = Browser(hub.base)
        request, state = idp.begin(browser)
        response = respond(request)
        answer = idp.send(browser, response, state_of(state))
        who = browser.who()
        if accepted:
            ok = who and who["email"] == "ada.saml@one.example" and who["role"] == "operator"
            check(f"saml: {what} is let in", ok, (answer.status_code, hub.refusals()[:1]))
            return browser, response, state
        refusals = hub.refusals()
        check(f"saml: {what} is refused", answer.status_code == 401 and who is None, answer.text[:200])
        if why:
            check(f"saml: {what} is in the audit trail", refusals and why in refusals[0], refusals[:1])
        return browser, response, state

    comes("an answer signed twice", idp.answer, accepted=True)
    comes("a signed assertion", lambda id: idp.answer(id, sign_response=False), accepted=True)
    comes("a signed answer", lambda id: idp.answer(id, sign_assertion=False), accepted=True)
    comes(
        "an encrypted assertion",
        lambda id: encrypted(server, lambda: idp.answer(id, sign_assertion=False, encrypt_assertion=True)),
        accepted=True,
    )

    unsigned_answer = lambda id: idp.answer(id, sign_response=False, sign_assertion=False)
    comes("an unsigned answer", unsigned_answer, why="signed")
    comes(
        "a changed name",
        lambda id: idp.answer(id).replace("ada-at-saml", "admin-at-saml"),
        why="signed",
    )
    comes(
        "a comment in the name",
        lambda id: idp.answer(id).replace("ada-at-saml", "ada<!-- -->-at-saml"),
        why="comments",
    )
    comes(
        "a stripped signature",
        lambda id: re.sub(r"<(\w+:)?Signature.*?</(\w+:)?Signature>", "", idp.answer(id), flags=re.S),
        why="signed",
    )
    for at, place in enumerate(["before", "behind"]):
        comes(
            f"an evil assertion {place} the signed one",
            lambda id, at=at: wrapped(idp.answer(id, sign_response=False))[at],
            why="exactly one",
        )
    comes(
        "a stranger's signature",
        lambda id: Provider(hub, provider, stranger).answer(id),
        why="signed",
    )
    comes(
        "a signature with SHA-1",
        lambda id: idp.answer(id, sign_alg=SIG_RSA_SHA1, digest_alg=DIGEST_SHA1),
        why="past",
    )
    comes("an answer that was signed by hand", lambda id: resigned(idp, id, str), accepted=True)
    other_audience = lambda id: resigned(idp, id, lambda text: text.replace(idp.entity, "http://else.example"))
    comes("an assertion for another audience", other_audience, why="somebody else")
    comes("an answer to another request", lambda id: idp.answer("_another"), why="another request")
    comes("an answer for another address", lambda id: idp.answer(id, destination="http://else.example/acs"), why="another address")
    late = lambda id: resigned(idp, id, aged)
    comes("an answer of long ago", late, why="expired")

    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    declared = f'<!DOCTYPE r [<!ENTITY l0 "ha">{laughs}]>'
    comes("a billion laughs", lambda id: declared + "<r>&l9;</r>", why="entities")
    comes("a bottomless document", lambda id: "<a>" * 10_000, why="deep")
    comes("a huge document", lambda id: " " * 400_000, why="larger")
    comes("no XML", lambda id: "hello")

    comes("an answer without its state", idp.answer, state_of=lambda state: None)
    comes("an answer with another state", idp.answer, state_of=lambda state: "x" * 43)
    # The certificate of the hub, as its metadata say.
    certificate = re.search(r"X509Certificate>([^<]+)<", ours).group(1)
    saml_sign_out.run(hub, idp, stranger, re.sub(r"\s", "", certificate))

    browser, response, state = comes("an answer once", idp.answer, accepted=True)
    twice = Browser(hub.base)
    check("saml: the same answer and state is refused", idp.send(twice, response, state).status_code == 401)
    victim, thief = Browser(hub.base), Browser(hub.base)
    request, state = idp.begin(victim)
    answer = idp.send(thief, idp.answer(request), state)
    check("saml: an answer in another browser is refused", answer.status_code == 401 and thief.who() is None)

    # Who has a second factor owes it, unless the provider names a context that counts as one.
    _app, codes = enrol(browser)
    hub.change(provider, {**body, "second_factor": {"vouched": "by_method", "methods": [TOKEN]}})
    opened()
    ada = Browser(hub.base)
    request, state = idp.begin(ada)
    answer = idp.send(ada, idp.answer(request), state)
    check("saml: after a password there the second factor is owed", owes(ada, answer), answer.text)
    entered = ada.ask("POST", "/session/second", {"method": "backup_code", "code": codes[0]})
    check("saml: and lets one in", entered.ok and ada.who() is not None, entered.text)
    by_token = {"class_ref": TOKEN, "authn_auth": ISSUER}
    comes("a sign-in with a token there", lambda id: idp.answer(id, authn=by_token), accepted=True)


def aged(text):
    """The same an hour earlier."""

    def earlier(match):
        at = datetime.fromisoformat(match.group(0).replace("Z", "+00:00"))
        return (at - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", earlier, text)


def resigned(idp, request, change):
    """An answer that the provider has signed after it was changed."""
    text = change(idp.answer(request, sign_response=False, sign_assertion=False))
    head = re.search(r'<(\w+:)?Response[^>]*?ID="([^"]+)"[^>]*>(.*?</(\w+:)?Issuer>)?', text, re.S)
    identifier = head.group(2)
    template = (
        '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
        f'<ds:SignatureMethod Algorithm="{SIG_RSA_SHA256}"/><ds:Reference URI="#{identifier}">'
        "<ds:Transforms>"
        '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGEST_SHA256}"/><ds:DigestValue/></ds:Reference>'
        "</ds:SignedInfo><ds:SignatureValue/></ds:Signature>"
    )
    at = head.end()
    document = Path(idp.server.config.key_file).with_suffix(".xml")
    document.write_text(text[:at] + template + text[at:])
    signed = subprocess.run(
        [
            "xmlsec1",
            "--sign",
            "--privkey-pem",
            idp.server.config.key_file,
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:protocol:Response",
            str(document),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return signed.stdout
