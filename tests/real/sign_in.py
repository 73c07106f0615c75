"""People sign in to the hub through identity providers of other makers: npm's oidc-provider, which is
certified, and pysaml2. Everything that must not let anybody in is tried too.

Prints a line for each thing and ends with `N passed, N failed`.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pyotp
import requests
from requests.adapters import HTTPAdapter

import main_job
from main_job import BINARY, EMAIL, PASSWORD, check, free_port, until

HERE = Path(__file__).resolve().parent
PROVIDER = HERE / "clients/provider.mjs"


class FromAddress(HTTPAdapter):
    """Calls from another address of this machine: who fails often is slowed down, by address."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, source_address=(self.address, 0), **options)


class Page(HTMLParser):
    """The first form of a page: where it goes and what it holds."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action")
        if tag == "input" and attributes.get("type") == "hidden":
            self.fields[attributes["name"]] = attributes.get("value", "")


class Browser(requests.Session):
    """A person's browser; each has an address of its own."""

    count = 1

    def __init__(self, hub):
        super().__init__()
        Browser.count += 1
        self.hub = hub
        self.mount("http://", FromAddress(f"127.0.0.{Browser.count % 250 + 2}"))

    def ask(self, method, path, body=None, **headers):
        headers = {"Origin": self.hub, **headers}
        return self.request(
            method, f"{self.hub}/api/v1{path}", json=body, headers=headers, allow_redirects=False
        )

    def walk(self, url, user):
        """Follows the way through a provider, as `user`, until the hub answers for the last time."""
        answer = self.get(url, allow_redirects=False)
        for _ in range(20):
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                if url.startswith(self.hub) and "/api/v1/" not in url:
                    return answer
                answer = self.get(url, allow_redirects=False)
            elif url.startswith(self.hub) or not answer.ok:
                return answer
            else:
                page = Page(answer.text)
                fields = dict(page.fields)
                if fields.get("prompt") == "login":
                    fields |= {"login": user, "password": "any"}
                if "xsrf" in fields:
                    fields["logout"] = "yes"
                url = urljoin(url, page.action)
                answer = self.post(url, data=fields, allow_redirects=False)
        raise SystemExit(f"no end of redirects at {url}")

    def sign_in(self, provider, user):
        """Signs in through a provider; answers the last answer of the hub."""
        begun = self.ask("POST", f"/sso/{provider}/start", {"next": "/accounts"})
        if not begun.ok:
            return begun
        return self.walk(begun.json()["url"], user)

    def who(self):
        answer = self.ask("GET", "/session")
        return answer.json()["user"] if answer.ok else None


class Hub:
    def __init__(self, data):
        self.base = f"http://127.0.0.1:{free_port()}"
        log = open(Path(data) / "hub.log", "w")
        self.process = subprocess.Popen(
            [BINARY, "up", "--listen", urlsplit(self.base).netloc, "--data", data],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                "SYNCLINE_ADMIN_EMAIL": EMAIL,
                "SYNCLINE_ADMIN_PASSWORD": PASSWORD,
                "SYNCLINE_PRIVATE_PROVIDERS": "true",
            },
        )
        try:
            until("a ready hub", lambda: main_job.answers(f"{self.base}/ready"))
        except BaseException:
            print(Path(data, "hub.log").read_text()[-4000:], file=sys.stderr)
            raise
        self.admin = Browser(self.base)
        self.must("POST", "/session", {"email": EMAIL, "password": PASSWORD})

    def must(self, method, path, body=None, **headers):
        answer = self.admin.ask(method, path, body, **headers)
        if not answer.ok:
            raise SystemExit(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return answer

    def add(self, body):
        return self.must("POST", "/identity-providers", body).json()["id"]

    def enable(self, provider):
        path = f"/identity-providers/{provider}"
        etag = self.must("GET", path).headers["ETag"]
        self.must("POST", f"{path}/enable", **{"If-Match": etag})

    def change(self, provider, body):
        path = f"/identity-providers/{provider}"
        etag = self.must("GET", path).headers["ETag"]
        self.must("PUT", path, body, **{"If-Match": etag})

    def refusals(self):
        found = self.must("GET", "/audit?action=refused:sso_sign_in&limit=200").json()
        return [entry["after"]["reason"] for entry in found["items"]]


def rules(name, **more):
    return {
        "name": name,
        "provision": True,
        "default_role": "viewer",
        "role_rules": [{"value": "ops", "role": "operator"}],
        "ceiling": "operator",
        **more,
    }


def openid(hub):
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    oidc = {
        "client_id": "hub",
        "client_secret": "the hub's secret: with: odd & characters",
        "scopes": ["openid", "profile", "email", "offline_access"],
    }
    company = hub.add(rules("Company", oidc={**oidc, "issuer": issuer}))
    google = hub.add(
        rules(
            "Google",
            preset="google",
            email_domains=["one.example"],
            oidc={**oidc, "issuer": issuer},
        )
    )
    microsoft = hub.add(
        rules(
            "Microsoft",
            preset="microsoft",
            email_domains=["one.example"],
            microsoft_tenants=["11111111-2222-3333-4444-555555555555"],
            oidc={**oidc, "issuer": f"{issuer}/organizations/v2.0"},
        )
    )
    registration = {
        "client_id": oidc["client_id"],
        "client_secret": oidc["client_secret"],
        "redirect_uris": [f"{hub.base}/api/v1/sso/callback"],
        "post_logout_redirect_uris": [f"{hub.base}/sign-in"],
        "backchannel_logout_uri": f"{hub.base}/api/v1/sso/{company}/backchannel-logout",
        "backchannel_logout_session_required": True,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    provider = subprocess.Popen(
        ["node", str(PROVIDER), str(port), json.dumps(registration)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if "ready" not in provider.stdout.readline():
            raise SystemExit("the OpenID provider does not start")
        for name, one in [("Company", company), ("Google", google), ("Microsoft", microsoft)]:
            test = hub.must("POST", f"/identity-providers/{one}/test", {}).json()
            tester = hub.admin.walk(test["url"], "ada")
            check(f"{name}: a test sign-in is let in", tester.ok and tester.json()["accepted"], tester.text)
            hub.admin.cookies.clear(domain="127.0.0.1", path="/", name="_session")
            hub.enable(one)
        signing_in(hub, company)
        leaving(hub, company, issuer)
        stepping_up(hub, company)
        owing(hub, company)
        for name, one in [("Google", google), ("Microsoft", microsoft)]:
            there = Browser(hub.base)
            answer = there.sign_in(one, "mallory")
            check(f"{name}: an address of another company is refused", there.who() is None, answer.text)
            there = Browser(hub.base)
            there.sign_in(one, "ada")
            who = there.who()
            check(f"{name}: the company's people come in", who and who["email"] == "ada@one.example")
    finally:
        provider.terminate()
        provider.wait()


def signing_in(hub, provider):
    ada = Browser(hub.base)
    answer = ada.sign_in(provider, "ada")
    check("one goes on to the page one wanted", answer.headers.get("Location") == f"{hub.base}/accounts")
    who = ada.who()
    check("the provider's group gives the role", who and who["role"] == "operator", who)
    again = Browser(hub.base)
    again.sign_in(provider, "ada")
    check("who comes again is the same user", again.who() == who)
    bob = Browser(hub.base)
    bob.sign_in(provider, "bob")
    check("without a group there is the default role", bob.who()["role"] == "viewer")
    eve = Browser(hub.base)
    eve.sign_in(provider, "eve")
    check("an address that was not verified is refused", eve.who() is None)
    check("and the reason is in the audit trail", "verified" in hub.refusals()[0], hub.refusals()[:1])

    # The way by hand, to come back otherwise than one should.
    def stopped_before_return(browser, user):
        url = browser.ask("POST", f"/sso/{provider}/start", {}).json()["url"]
        answer = browser.get(url, allow_redirects=False)
        while True:
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                if url.startswith(hub.base):
                    return url
                answer = browser.get(url, allow_redirects=False)
                continue
            page = Page(answer.text)
            fields = {**page.fields, "login": user, "password": "any"}
            url = urljoin(url, page.action)
            answer = browser.post(url, data=fields, allow_redirects=False)

    victim, thief = Browser(hub.base), Browser(hub.base)
    back = stopped_before_return(victim, "ada")
    check("an answer in another browser signs nobody in", thief.get(back, allow_redirects=False).status_code == 401)
    check("and is used up", victim.get(back, allow_redirects=False).status_code == 401)
    twice = Browser(hub.base)
    back = stopped_before_return(twice, "ada")
    first = twice.get(back, allow_redirects=False)
    check("an answer is taken once", first.status_code == 303 and twice.who())
    check("and not twice", twice.get(back, allow_redirects=False).status_code == 401)
    forged = Browser(hub.base)
    back = stopped_before_return(forged, "ada")
    forged_back = back.replace(parse_qs(urlsplit(back).query)["code"][0], "forged")
    check("a forged code is refused", forged.get(forged_back, allow_redirects=False).status_code == 401)
    mixed = Browser(hub.base)
    back = stopped_before_return(mixed, "ada")
    iss = parse_qs(urlsplit(back).query)["iss"][0]
    other = back.replace(requests.utils.quote(iss, safe=""), "http%3A%2F%2Fevil.example")
    check("an answer of another issuer is refused", other != back and mixed.get(other, allow_redirects=False).status_code == 401)


def leaving(hub, provider, issuer):
    ada = Browser(hub.base)
    ada.sign_in(provider, "ada")
    check("the provider confirms the session", ada.ask("POST", "/session/sso-refresh", {}).status_code == 204)
    out = ada.ask("POST", "/session/sso-sign-out", {})
    check("signing out ends the session here", out.ok and ada.who() is None, out.text)
    there = ada.walk(out.json()["url"], "ada")
    check("and at the provider, which sends one back", there.headers.get("Location") == f"{hub.base}/sign-in", there.text[:200])

    # Signed out there only: the provider tells the hub.
    ada = Browser(hub.base)
    ada.sign_in(provider, "ada")
    kept = Browser(hub.base)
    kept.sign_in(provider, "bob")
    page = ada.get(f"{issuer}/session/end", allow_redirects=False)
    fields = {**Page(page.text).fields, "logout": "yes"}
    left = ada.post(urljoin(issuer, Page(page.text).action), data=fields, allow_redirects=False)
    check("one signs out at the provider by oneself", left.status_code < 400, left.text[:300])
    until("the end of the session", lambda: ada.who() is None, 10)
    check("the provider's word ends the session here", True)
    check("and nobody else's", kept.who() is not None)
    forged = requests.post(
        f"{hub.base}/api/v1/sso/{provider}/backchannel-logout", data={"logout_token": "a.b.c"}
    )
    check("a forged word ends nothing", forged.status_code == 400 and kept.who() is not None)


def stepping_up(hub, provider):
    """Who came from the provider and has no password shows who they are there."""
    ada, bob = Browser(hub.base), Browser(hub.base)
    ada.sign_in(provider, "ada")
    bob.sign_in(provider, "bob")
    until_when = lambda browser: browser.ask("GET", "/factors").json()["fresh_until"]
    offered = ada.ask("GET", "/factors").json()["step_up_provider"]
    check("the provider can be asked who one is", offered == "Company", offered)
    had = until_when(ada), until_when(bob)

    def begun(browser):
        return browser.ask("POST", "/session/step-up/provider", {"next": "/keys"}).json()["url"]

    url = begun(ada)
    asked = parse_qs(urlsplit(url).query)
    check("and is told to ask anew", (asked["prompt"], asked["max_age"]) == (["login"], ["0"]), asked)
    # It remembers Ada, and asks her all the same.
    pages = []
    ada.hooks["response"].append(lambda answer, **_: pages.append(answer.text))
    time.sleep(1)  # the provider tells seconds
    came = ada.walk(url, "ada")
    ada.hooks["response"].clear()
    check("it does", any('name="password"' in page for page in pages))
    to = came.headers.get("Location", "")
    check("who signs in there again has shown who they are", to == f"{hub.base}/keys" and until_when(ada) > had[0], (came.status_code, to, hub.refusals()[:1]))
    check("and nobody else has", until_when(bob) == had[1])
    noted = hub.must("GET", "/audit?action=step_up").json()["items"]
    check("it is in the audit trail", noted and noted[0]["after"]["by"] == "provider", noted[:1])

    # Whoever signs in there as somebody else is signed out of who they were, and so here.
    came = ada.walk(begun(ada), "bob")
    told = hub.refusals()[:1]
    refused = any(why in told[0] for why in ["somebody else", "not signed in here"])
    check("somebody else who signs in there shows nothing", came.status_code == 401 and refused, told)
    check("and is not let in", ada.who() is None)
    # What was asked without a wish for a new sign-in is answered by memory.
    forgetful = Browser(hub.base)
    forgetful.sign_in(provider, "ada")
    had = until_when(forgetful)
    time.sleep(32)  # beyond what clocks may differ
    remembered = begun(forgetful).replace("&prompt=login", "").replace("max_age=0", "max_age=3600")
    came = forgetful.walk(remembered, "ada")
    told = hub.refusals()[:1]
    check("a sign-in that was remembered shows nothing", came.status_code == 401 and "did not ask" in told[0] and until_when(forgetful) == had, told)
    url = begun(forgetful)
    came = Browser(hub.base).walk(url, "ada")
    check("nor does one in another browser", came.status_code == 401 and until_when(forgetful) == had, came.text)


def enrol(browser):
    """Sets an authenticator app up; answers it with its backup codes."""
    app = pyotp.TOTP(browser.ask("POST", "/factors/totp", {}).json()["secret"])
    confirmed = browser.ask("POST", "/factors/totp/confirm", {"code": app.now()})
    check("somebody from a provider sets up a second factor", confirmed.ok, confirmed.text)
    return app, confirmed.json()["backup_codes"]


def owes(browser, answer):
    """Whether the second factor is asked for, and nothing is let in before."""
    to = answer.headers.get("Location", "")
    stage = browser.ask("GET", "/session/second")
    return "/sign-in?second=true" in to and browser.who() is None and stage.ok


def owing(hub, provider):
    bob = Browser(hub.base)
    bob.sign_in(provider, "bob")
    app, _codes = enrol(bob)
    bob = Browser(hub.base)
    answer = bob.sign_in(provider, "bob")
    check("who has a second factor owes it after the provider", owes(bob, answer), answer.headers)
    wrong = bob.ask("POST", "/session/second", {"method": "totp", "code": "000000"})
    check("a wrong code signs nobody in", wrong.status_code == 401 and bob.who() is None)
    # The code of now was taken; the next one is right half a minute early.
    code = {"method": "totp", "code": app.at(time.time() + 30)}
    right = bob.ask("POST", "/session/second", code)
    who = bob.who()
    check("the right one does", right.ok and who and who["email"] == "bob@one.example", right.text)
    out = bob.ask("POST", "/session/sso-sign-out", {})
    check("and the session is the provider's too", out.ok and out.json()["url"], out.text)


def main():
    with tempfile.TemporaryDirectory() as data:
        hub = Hub(data)
        try:
            openid(hub)
            if os.environ.get("SYNCLINE_SAML"):
                import sign_in_saml

                sign_in_saml.run(hub, data)
            else:
                print("      SAML is left out: the hub was built without it")
        except BaseException:
            print(Path(data, "hub.log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            hub.process.terminate()
            hub.process.wait()
    print(f"{main_job.PASSED} passed, {main_job.FAILED} failed")
    return 1 if main_job.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
