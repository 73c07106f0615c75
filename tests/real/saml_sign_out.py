"""Single logout with pysaml2, both ways and signed both ways; and showing who one is again there."""

import base64
import re
import time
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.samlp import STATUS_PARTIAL_LOGOUT, STATUS_RESPONDER, Status, StatusCode
from saml2.sigver import verify_redirect_signature
from saml2.xmldsig import DIGEST_SHA1, DIGEST_SHA256, SIG_RSA_SHA1, SIG_RSA_SHA256

from main_job import check
from sign_in import Browser

ADA = NameID(format=NAMEID_FORMAT_PERSISTENT, text="ada-at-saml")
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"


def query_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


class SignOut:
    def __init__(self, hub, idp, stranger, certificate):
        self.hub, self.idp, self.stranger = hub, idp, stranger
        self.server = idp.server
        self.slo = f"{hub.base}/api/v1/sso/{idp.provider}/slo"
        self.certificate = certificate

    def signed_in(self, **options):
        """A browser that is signed in, and the provider's name of the session."""
        browser = Browser(self.hub.base)
        request, state = self.idp.begin(browser)
        answer = self.idp.answer(request, **options)
        self.idp.send(browser, answer, state)
        if browser.who() is None:
            raise SystemExit(f"ada is not signed in: {self.hub.refusals()[:1]}")
        return browser, re.search(r'SessionIndex="([^"]+)"', answer).group(1)

    def is_ours(self, url):
        """Whether what the hub sends is signed with the key of its metadata."""
        said, crypto = query_of(url), self.server.sec.sec_backend
        return verify_redirect_signature(said, crypto, self.certificate)

    def request(self, sessions, server=None, **options):
        options = {"destination": self.slo, "name_id": ADA, **options}
        server = server or self.server
        return server.create_logout_request(
            issuer_entity_id=self.idp.entity, session_indexes=sessions, **options
        )

    def by_redirect(self, request, server=None, sigalg=SIG_RSA_SHA256, sign=True):
        sent = (server or self.server).apply_binding(
            BINDING_HTTP_REDIRECT, str(request), self.slo, "theirs", sign=sign, sigalg=sigalg
        )
        return dict(sent["headers"])["Location"]

    def by_form(self, sessions, server=None, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256, sign=True, **more):
        _id, request = self.request(
            sessions, server, sign=sign, sign_alg=sign_alg, digest_alg=digest_alg, **more
        )
        return str(request)

    def post(self, document, field="SAMLRequest", state=None):
        data = {field: base64.b64encode(document.encode()).decode()}
        if state is not None:
            data["RelayState"] = state
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://idp.example"}
        browser = Browser(self.hub.base)
        return browser.post(self.slo, data=data, headers=headers, allow_redirects=False)

    def get(self, url, browser=None):
        return (browser or Browser(self.hub.base)).get(url, allow_redirects=False)

    def refusals(self):
        found = self.hub.must("GET", "/audit?action=refused:saml_sign_out&limit=200").json()
        return [entry["after"]["reason"] for entry in found["items"]]


def run(hub, idp, stranger, certificate):
    way = SignOut(hub, idp, stranger, certificate)
    ours_first(way)
    theirs_first(way)
    refused(way)
    stepping_up(way)


def ours_first(way):
    """One signs out here, and is signed out there."""

    def asked():
        ada, session = way.signed_in()
        out = ada.ask("POST", "/session/sso-sign-out", {})
        url = out.json()["url"]
        check("saml: signing out ends the session here", out.ok and ada.who() is None, out.text)
        said = query_of(url)
        read = way.server.parse_logout_request(said["SAMLRequest"], BINDING_HTTP_REDIRECT)
        return ada, session, url, said, read.message

    ada, session, url, said, request = asked()
    check("saml: and goes to where the provider signs out", url.startswith("http://idp.example/slo?"), url)
    check("saml: the request is signed", way.is_ours(url))
    other = url.replace(said["RelayState"], "x" * 43)
    check("saml: as a whole", other != url and not way.is_ours(other))
    name = request.name_id
    check("saml: it names the user as the provider does", (name.text, name.format) == (ADA.text, ADA.format), str(name))
    indexes = [index.text for index in request.session_index]
    check("saml: and the session", indexes == [session], indexes)

    def answer(request, said, **more):
        options = {"sign": False, **more}
        return way.server.create_logout_response(request, [BINDING_HTTP_REDIRECT], **options)

    def back(document, state, server=None, sign=True):
        sent = (server or way.server).apply_binding(
            BINDING_HTTP_REDIRECT, str(document), way.slo, state, response=True, sign=sign, sigalg=SIG_RSA_SHA256
        )
        return dict(sent["headers"])["Location"]

    good = back(answer(request, said), said["RelayState"])
    came = way.get(good, ada)
    check("saml: the answer leads back to where one signs in", came.headers.get("Location") == f"{way.hub.base}/sign-in", came.text)
    noted = way.hub.must("GET", "/audit?action=sign_out_at_provider").json()["items"]
    check("saml: it is in the audit trail", noted and noted[0]["after"]["complete"], noted[:1])
    check("saml: the answer is not taken twice", way.get(good, ada).status_code == 401)

    def wrong(what, why, bring):
        ada, _session, _url, said, request = asked()
        came = way.get(bring(request, said), ada)
        told = way.refusals()[:1]
        check(f"saml: {what} is refused", came.status_code == 400 and told and why in told[0], (came.text, told))

    wrong("an unsigned answer", "signed", lambda r, s: back(answer(r, s), s["RelayState"], sign=False))
    wrong("a stranger's answer", "signed", lambda r, s: back(answer(r, s), s["RelayState"], way.stranger))
    older = asked()[4]
    wrong("an answer to another request", "another request", lambda r, s: back(answer(older, s), s["RelayState"]))

    def elsewhere(request, said):
        document = answer(request, said)
        document.destination = "http://else.example/slo"
        return back(document, said["RelayState"])

    wrong("an answer for another address", "another address", elsewhere)

    def impostor(request, said):
        document = answer(request, said)
        document.issuer.text = "http://else.example"
        return back(document, said["RelayState"])

    wrong("an answer of another issuer", "another issuer", impostor)

    ada, _session, _url, said, request = asked()
    partial = Status(status_code=StatusCode(value=STATUS_RESPONDER, status_code=StatusCode(value=STATUS_PARTIAL_LOGOUT)))
    came = way.get(back(answer(request, said, status=partial), said["RelayState"]), ada)
    noted = way.hub.must("GET", "/audit?action=sign_out_at_provider").json()["items"]
    check("saml: that it was done in part only is noted", came.status_code == 303 and not noted[0]["after"]["complete"], noted[:1])


def theirs_first(way):
    """The provider signs somebody out here."""
    (first, session), (second, _other) = way.signed_in(), way.signed_in()
    request_id, request = way.request([session])
    url = way.by_redirect(request)
    came = way.get(url)
    to = came.headers.get("Location", "")
    check("saml: the provider ends the session it names", first.who() is None, came.text)
    check("saml: and no other", second.who() is not None)
    check("saml: it is answered where answers are taken", to.startswith("http://idp.example/slo?"), to)
    said = query_of(to)
    check("saml: the answer is signed", way.is_ours(to) and said["RelayState"] == "theirs", said)
    read = way.server.parse_logout_request_response(said["SAMLResponse"], BINDING_HTTP_REDIRECT)
    ok = read.in_response_to == request_id and read.status_ok()
    check("saml: pysaml2 takes it for the answer to its request", ok, str(read.response))
    check("saml: a request is not taken twice", way.get(url).status_code == 400 and "before" in way.refusals()[0])

    third, session = way.signed_in()
    came = way.post(way.by_form([session]))
    check("saml: a request by a form ends it too", came.status_code == 303 and third.who() is None, came.text)
    check("saml: and no other", second.who() is not None)
    came = way.post(way.by_form([]))
    check("saml: a request without a session ends all of the user's", came.status_code == 303 and second.who() is None, came.text)


def refused(way):
    """Nothing that is not in order ends anything."""
    ada, session = way.signed_in()
    before = len(way.refusals())

    def nothing(what, why, came):
        told = way.refusals()
        ok = came.status_code == 400 and ada.who() is not None and why in told[0]
        check(f"saml: {what} ends nothing", ok, (came.status_code, came.text[:200], told[:1]))

    _id, request = way.request([session])
    _id, elsewhere = way.request([session], destination="http://else.example/slo")
    _id, late = way.request([session], expire="2020-01-01T00:00:00Z")
    _id, old = way.request([session])
    old.issue_instant = "2020-01-01T00:00:00Z"
    _id, other = way.request([session])
    other.issuer.text = "http://else.example"
    unsigned = way.by_redirect(request, sign=False)
    nothing("an unsigned request", "signed", way.get(unsigned))
    nothing("a stranger's request", "signed", way.get(way.by_redirect(request, way.stranger)))
    weak = way.by_redirect(request, sigalg=SIG_RSA_SHA1)
    nothing("a request signed with SHA-1", "past", way.get(weak))
    changed = way.by_redirect(request).replace("RelayState=theirs", "RelayState=mine")
    nothing("a changed request", "signed", way.get(changed))
    nothing("a request for another address", "another address", way.get(way.by_redirect(elsewhere)))
    nothing("an expired request", "expired", way.get(way.by_redirect(late)))
    nothing("a request of long ago", "expired", way.get(way.by_redirect(old)))
    nothing("another issuer's request", "another issuer", way.get(way.by_redirect(other)))
    nothing("an unsigned form", "signed", way.post(way.by_form([session], sign=False)))
    nothing("a stranger's form", "signed", way.post(way.by_form([session], way.stranger)))
    weak = way.by_form([session], sign_alg=SIG_RSA_SHA1, digest_alg=DIGEST_SHA1)
    nothing("a form signed with SHA-1", "past", way.post(weak))
    changed = way.by_form([]).replace("ada-at-saml", "eve-at-saml")
    nothing("a changed form", "signed", way.post(changed))
    nothing("a comment in a name", "comments", way.post(way.by_form([session]).replace("ada-at", "ada<!-- -->-at")))
    nothing("a form for another address", "another address", way.post(way.by_form([session], destination="http://else.example/slo")))
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]>' + way.by_form([session])
    nothing("a form with entities", "entities", way.post(bomb))
    nothing("an answer to sign-in", "another kind", way.post(way.idp.answer("_1")))
    check("saml: each refusal is in the audit trail", len(way.refusals()) == before + 16, len(way.refusals()) - before)


def stepping_up(way):
    """Who has no password shows who they are at the provider."""
    ada, _session = way.signed_in()
    fresh = lambda: ada.ask("GET", "/factors").json()["fresh_until"]
    had, offered = fresh(), ada.ask("GET", "/factors").json()["step_up_provider"]
    check("saml: the provider can be asked who one is", offered == "Saml", offered)

    def begun():
        url = ada.ask("POST", "/session/step-up/provider", {"next": "/keys"}).json()["url"]
        read = way.server.parse_authn_request(query_of(url)["SAMLRequest"], BINDING_HTTP_REDIRECT)
        return url, read.message

    url, request = begun()
    check("saml: and is told to ask the user anew", request.force_authn == "true", request.force_authn)

    def authn(at):
        return {"class_ref": PASSWORD, "authn_auth": "http://idp.example/metadata", "authn_instant": at}

    eve = NameID(format=NAMEID_FORMAT_PERSISTENT, text="eve-at-saml")
    for what, why, options in [
        ("a sign-in of before", "did not ask", {"authn": authn(time.time() - 600)}),
        ("somebody else's sign-in", "somebody else", {"name_id": eve}),
    ]:
        url, request = begun()
        came = way.idp.send(ada, way.idp.answer(request.id, **options), query_of(url)["RelayState"])
        told = way.hub.refusals()[:1]
        check(f"saml: {what} shows nothing", came.status_code == 401 and why in told[0] and fresh() == had, told)
    url, request = begun()
    document = way.idp.answer(request.id)
    came = way.idp.send(ada, document, query_of(url)["RelayState"])
    to = came.headers.get("Location", "")
    check("saml: who signs in there again has shown who they are", to.endswith("/keys") and fresh() > had, (came.status_code, to))
    check("saml: once", way.idp.send(ada, document, query_of(url)["RelayState"]).status_code == 401)
