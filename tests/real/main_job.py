"""The hub's main job on real companies, from outside: two processes, their public interfaces.

503 companies go into a simulated Salesforce through simple-salesforce; the hub pulls them; edits on
both sides travel; then nothing is written any more. Prints the figures and ends with
`N passed, N failed`.
"""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from hostile import hostile
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

ROOT = Path(__file__).resolve().parents[2]
COMPANIES = ROOT / "fixtures/sp500-companies.csv"
MAPPING = ROOT / "tests/real/account.toml"
BINARY = os.environ["SYNCLINE_BIN"]
EMAIL, PASSWORD = "admin@example.com", "correct horse battery staple"
VERSION = "62.0"

# Column of the file, field over there, type there, field here.
EXTRA = [
    ("Symbol", "Symbol__c", "string", "custom.symbol", "text"),
    ("CIK", "Cik__c", "string", "custom.cik", "text"),
    ("Date added", "Date_Added__c", "date", "custom.date_added", "date"),
    ("Founded", "Founded__c", "string", "founded", None),
]

PASSED, FAILED = 0, 0


def check(what, ok, detail=""):
    global PASSED, FAILED
    if ok:
        PASSED += 1
        print(f"ok    {what}", flush=True)
    else:
        FAILED += 1
        print(f"FAIL  {what}  {detail}", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, ask, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    raise SystemExit(f"{what} did not come about within {seconds} s")


class Redirected(HTTPAdapter):
    """Sends every https request to the simulator, path and query unchanged."""

    def __init__(self, base):
        self.origin = urlsplit(base)
        super().__init__()

    def send(self, request, **options):
        parts = urlsplit(request.url)
        request.url = parts._replace(scheme=self.origin.scheme, netloc=self.origin.netloc).geturl()
        return super().send(request, **options)


class There:
    """The simulated Salesforce, used as any client would."""

    def __init__(self):
        self.base = f"http://127.0.0.1:{free_port()}"
        listen = urlsplit(self.base).netloc
        self.process = subprocess.Popen(
            [BINARY, "simulate", "salesforce", "--listen", listen],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        told = {}
        for line in self.process.stdout:
            name, _, value = line.strip().partition("=")
            told[name] = value
            if "client_secret" in told:
                break
        if "client_secret" not in told:
            raise SystemExit(f"the simulator told {sorted(told)} and ended")
        self.client_id, self.client_secret = told["client_id"], told["client_secret"]
        session = requests.Session()
        session.mount("https://", Redirected(self.base))
        until("the simulator", lambda: answers(f"{self.base}/services/data"))
        self.sf = Salesforce(
            consumer_key=self.client_id,
            consumer_secret=self.client_secret,
            domain="acme.my",
            session=session,
            version=VERSION,
        )

    def control(self, path, body=None):
        url = f"{self.base}/__control/{path}"
        answer = requests.get(url) if body is None else requests.post(url, json=body)
        answer.raise_for_status()
        return answer.json()

    def writes(self):
        return self.control("requests")["writes"]


class Here:
    """The hub, through its API."""

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
            },
        )
        until("a ready hub", lambda: answers(f"{self.base}/ready"))
        self.session = requests.Session()
        self.session.headers["Origin"] = self.base
        self.send("POST", "/session", {"email": EMAIL, "password": PASSWORD})

    def send(self, method, path, body=None, etag=None):
        headers = {"If-Match": etag} if etag else {}
        answer = self.session.request(
            method, f"{self.base}/api/v1{path}", json=body, headers=headers
        )
        if not answer.ok:
            raise SystemExit(f"{method} {path} answered {answer.status_code}: {answer.text}")
        self.etag = answer.headers.get("ETag")
        return answer.json() if answer.content else None

    def change(self, method, path, body):
        self.send("GET", path)
        return self.send(method, path, body, self.etag)

    def all(self, path):
        items, cursor = [], ""
        joint = "&" if "?" in path else "?"
        while cursor is not None:
            page = self.send("GET", f"{path}{joint}limit=200{cursor and '&cursor=' + cursor}")
            items += page["items"]
            cursor = page["next"]
        return items

    def ended(self, run):
        def ask():
            found = self.send("GET", f"/runs/{run}")
            if found["state"] in ("failed", "cancelled", "parked"):
                raise SystemExit(f"run ended badly: {json.dumps(found['error'])}")
            return found if found["state"] == "succeeded" else None

        return until("the end of a run", ask)

    def pull(self, connection, full=False):
        # A read ends before the second it begins in: what is changed in it comes with the next one.
        time.sleep(1.1)
        path = f"/connections/{connection}/streams/Account/pull"
        return self.ended(self.send("POST", path, {"full": full})["run_id"])

    def settled(self):
        """No write is pending and no push is under way."""

        def ask():
            busy = [
                run
                for state in ("queued", "running")
                for run in self.send("GET", f"/runs?state={state}&workflow=push_writes")["items"]
            ]
            return not busy and self.send("GET", "/overview")["writes"]["pending"] == 0

        until("settled writes", ask)


def answers(url):
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def companies():
    with open(COMPANIES, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_account(row):
    city, _, state = row["Headquarters Location"].partition(", ")
    account = {
        "Name": row["Security"],
        "Industry": row["GICS Sector"],
        "Description": row["GICS Sub-Industry"],
        "BillingCity": city,
        "BillingState": state,
    }
    for column, there, *_ in EXTRA:
        account[there] = row[column]
    return account


# Field over there to field here, for the comparison.
FIELDS = {
    "Name": "name",
    "Industry": "industry",
    "Description": "description",
    "BillingCity": "billing_city",
    "BillingState": "billing_state",
    **{there: here for _, there, _, here, _ in EXTRA},
}


def load(there):
    """The companies into Salesforce, by simple-salesforce's Bulk API 2.0."""
    for _, name, kind, *_ in EXTRA:
        there.control("schema", {"op": "add", "object": "Account", "field": {"name": name, "type": kind}})
    rows = [as_account(row) for row in companies()]
    jobs = there.sf.bulk2.Account.insert(records=rows)
    loaded = sum(job["numberRecordsProcessed"] - job["numberRecordsFailed"] for job in jobs)
    check("simple-salesforce loads every company", loaded == len(rows), jobs)
    return rows


def connect(here, there):
    """A connection with the stream of accounts, fields of our own, and a mapping for them."""
    config = {
        "login_url": there.base,
        "auth": {
            "kind": "client_credentials",
            "client_id": there.client_id,
            "client_secret": there.client_secret,
        },
    }
    new = {"system": "salesforce", "name": "Salesforce", "config": config}
    connection = here.send("POST", "/connections", new)["id"]
    checked = here.send("POST", f"/connections/{connection}/check", {})
    check("the connection's check passes", checked["ok"], checked)
    for _, _, _, name, kind in EXTRA:
        if kind:
            key = name.removeprefix("custom.")
            field = {"key": key, "label": key.replace("_", " ").capitalize(), "type": kind}
            here.send("POST", "/fields/account", field)
    setup = {"enabled": True, "entity": "account"}
    here.send("PUT", f"/connections/{connection}/streams/Account", setup)
    # Reads happen when this script asks for them.
    for schedule in here.all("/schedules"):
        here.change("PATCH", f"/schedules/{schedule['id']}", {"paused": True})
    mapping = here.all(f"/mappings?connection_id={connection}")[0]["id"]
    body = {"text": MAPPING.read_text(encoding="utf-8"), "publish": True}
    published = here.change("PUT", f"/mappings/{mapping}", body)
    errors = [one for one in published["problems"] if one["severity"] == "error"]
    check("the mapping with fields of our own is published", not errors, errors)
    return connection


def accounts_there(there):
    names = ",".join(["Id", "Phone", "AnnualRevenue", *FIELDS])
    found = there.sf.query_all(f"SELECT {names} FROM Account")["records"]
    return {row["Id"]: row for row in found}


def accounts_here(here):
    found = {}
    for row in here.all("/accounts"):
        account = here.send("GET", f"/accounts/{row['id']}")
        for link in account["links"]:
            found[link["key"]] = account
    return found


def compare(here, there, what):
    left, right = accounts_there(there), accounts_here(here)
    check(f"{what}: as many accounts here as there", len(left) == len(right) == 503,
          f"{len(left)} there, {len(right)} here")
    differing = [
        f"{key}.{name}: there {left[key][name]!r}, here {right[key]['fields'].get(FIELDS[name])!r}"
        for key in left
        for name in FIELDS
        if (left[key][name] or None) != (right[key]["fields"].get(FIELDS[name]) or None)
    ]
    check(f"{what}: every field agrees ({len(left) * len(FIELDS)} values)", not differing,
          differing[:5])
    return left, right


def edit_here(here, account, fields):
    here.change("PATCH", f"/accounts/{account['id']}", {"fields": fields})


def main():
    with tempfile.TemporaryDirectory() as data:
        there = There()
        here = None
        try:
            here = Here(data)
            run(here, there)
            attack(here)
        finally:
            for one in (here, there):
                if one:
                    one.process.send_signal(signal.SIGTERM)
                    one.process.wait(timeout=30)
            if FAILED and here:
                sys.stderr.write((Path(data) / "hub.log").read_text()[-4000:])
    print(f"{PASSED} passed, {FAILED} failed")
    sys.exit(1 if FAILED else 0)


def attack(here):
    """With a key that may do all that an admin may, and a tenant full of records."""
    permissions = here.send("GET", "/session")["permissions"]
    key = here.send("POST", "/keys", {
        "name": "hostile", "permissions": permissions, "calls_per_minute": 1000000,
    })
    check("no hostile request is answered with an error of ours", hostile(here.base, key["secret"]))


def run(here, there):
    rows = load(there)
    connection = connect(here, there)
    started = time.monotonic()
    first = here.pull(connection)
    took = time.monotonic() - started
    print(f"      first pull: {first['counts']['created']} accounts in {took:.2f} s")
    check("the pull makes an account of every record", first["counts"]["created"] == len(rows),
          first["counts"])
    left, right = compare(here, there, "after the first pull")
    check("a pull writes nothing over there", there.writes() == 503, there.writes())

    keys = sorted(left)
    ours, theirs, both, same = keys[:50], keys[50:100], keys[100:110], keys[110:115]

    # 50 edited here.
    for number, key in enumerate(ours):
        edit_here(here, right[key], {"phone": f"+1 555 0100 {number:03}"})
    here.settled()
    left = accounts_there(there)
    arrived = [key for number, key in enumerate(ours) if left[key]["Phone"] == f"+1 555 0100 {number:03}"]
    check("50 accounts edited here arrive there", len(arrived) == 50, len(arrived))

    # 50 others edited there.
    there.sf.bulk2.Account.update(
        records=[{"Id": key, "Phone": f"+1 555 0200 {number:03}"} for number, key in enumerate(theirs)]
    )
    second = here.pull(connection)
    right = accounts_here(here)
    arrived = [key for number, key in enumerate(theirs)
               if right[key]["fields"]["phone"] == f"+1 555 0200 {number:03}"]
    check("50 others edited there arrive here", len(arrived) == 50, len(arrived))
    check("and nothing else was touched by that pull", second["counts"]["updated"] == 50,
          second["counts"])

    # 10 on both sides, different fields; 5 on both sides, the same field. The hub has not read what
    # changed there when it is edited here: it must look before it writes.
    for number, key in enumerate(both):
        there.sf.Account.update(key, {"AnnualRevenue": 1000 + number})
        edit_here(here, right[key], {"phone": f"+1 555 0300 {number:03}"})
    for number, key in enumerate(same):
        there.sf.Account.update(key, {"Description": f"Theirs {number}"})
        edit_here(here, right[key], {"description": f"Ours {number}", "phone": f"+1 555 0400 {number:03}"})
    here.settled()
    here.pull(connection)
    here.settled()
    left, right = accounts_there(there), accounts_here(here)
    kept = [key for number, key in enumerate(both)
            if left[key]["Phone"] == f"+1 555 0300 {number:03}"
            and left[key]["AnnualRevenue"] == 1000 + number
            and float(right[key]["fields"]["annual_revenue"]) == 1000 + number
            and right[key]["fields"]["phone"] == f"+1 555 0300 {number:03}"]
    check("10 edited on both sides in different fields keep both edits on both sides",
          len(kept) == 10, len(kept))
    conflicts = here.all("/conflicts?state=open")
    check("5 edited on both sides in the same field become conflicts",
          len(conflicts) == 5, len(conflicts))
    untouched = [key for number, key in enumerate(same)
                 if left[key]["Description"] == f"Theirs {number}"
                 and right[key]["fields"]["description"] == f"Ours {number}"
                 and left[key]["Phone"] == f"+1 555 0400 {number:03}"]
    check("neither side of a conflict is overwritten, and other fields of it flow",
          len(untouched) == 5, len(untouched))
    for number, conflict in enumerate(conflicts):
        choice = "core" if number % 2 else "remote"
        path = f"/conflicts/{conflict['id']}"
        here.send("GET", path)
        here.send("POST", f"{path}/resolve", {"choice": choice, "note": "decided in a test"}, here.etag)
    here.settled()
    here.pull(connection)
    here.settled()
    compare(here, there, "after the conflicts are decided")
    check("no conflict is left", not here.all("/conflicts?state=open"))

    # Then quiet.
    quiet(here, there, connection)
    why(here, accounts_here(here)[ours[0]])


def quiet(here, there, connection):
    before, versions = there.writes(), {row["id"]: row["version"] for row in here.all("/accounts")}
    for cycle in (1, 2):
        started = there.control("requests")["requests"]
        counts = here.pull(connection)["counts"]
        here.settled()
        ended = there.control("requests")["requests"]
        asked = sum(ended.values()) - sum(started.values())
        print(f"      idle cycle {cycle}: {counts['read']} records looked at, {asked} requests")
        check(f"idle cycle {cycle} changes nothing here",
              counts["updated"] == counts["created"] == counts["conflicts"] == 0, counts)
    check("two idle cycles write nothing there", there.writes() == before, there.writes() - before)
    after = {row["id"]: row["version"] for row in here.all("/accounts")}
    check("two idle cycles write no account here", after == versions)


def why(here, account):
    grid = here.send("GET", f"/accounts/{account['id']}/provenance")
    phone = next(field for field in grid["fields"] if field["name"] == "phone")
    print(f"      why phone is {phone['value']}: {phone['origin']['sentence']}")
    check("the edited value names its origin", phone["origin"]["kind"] == "user", phone["origin"])
    name = next(field for field in grid["fields"] if field["name"] == "name")
    print(f"      why name is {name['value']}: {name['origin']['sentence']}")
    check("the pulled value names its origin", name["origin"]["kind"] == "connection"
          and name["origin"]["run_id"], name["origin"])
    timeline = here.all(f"/accounts/{account['id']}/timeline")
    kinds = {entry["kind"] for entry in timeline}
    check("the timeline shows the edit and the write", {"edited", "written"} <= kinds, kinds)


if __name__ == "__main__":
    main()
