"""simple-salesforce, unmodified, against a Salesforce or its simulator.

usage: python simple_salesforce_check.py BASE_URL CLIENT_ID CLIENT_SECRET USERNAME PASSWORD

The library always builds https addresses of salesforce.com or of the instance; the session it is
given sends them to BASE_URL instead. Expects more than 4,000 accounts and cleans up what it creates.
"""

import csv
import datetime
import io
import secrets
import sys
import traceback
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceLogin
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

VERSION = "62.0"
RUN = secrets.token_hex(4)


class Redirected(HTTPAdapter):
    """Sends every https request to another origin, path and query unchanged."""

    def __init__(self, base):
        self.origin = urlsplit(base)
        super().__init__()

    def send(self, request, **options):
        parts = urlsplit(request.url)
        request.url = parts._replace(scheme=self.origin.scheme, netloc=self.origin.netloc).geturl()
        return super().send(request, **options)


class Checks:
    def __init__(self, base, client_id, client_secret, username, password):
        self.base, self.username, self.password = base, username, password
        self.client_id, self.client_secret = client_id, client_secret
        self.session = requests.Session()
        self.session.mount("https://", Redirected(base))
        self.sf = None
        self.count = 0

    def check_1_client_credentials(self):
        self.sf = Salesforce(
            consumer_key=self.client_id,
            consumer_secret=self.client_secret,
            domain="acme.my",
            session=self.session,
            version=VERSION,
        )
        assert self.sf.sf_instance == urlsplit(self.base).netloc, self.sf.sf_instance
        try:
            Salesforce(
                consumer_key=self.client_id,
                consumer_secret="wrong",
                domain="acme.my",
                session=self.session,
            )
        except SalesforceAuthenticationFailed as error:
            assert "invalid_client" in str(error), error
        else:
            raise AssertionError("a wrong secret was accepted")

    def check_2_soap_login(self):
        sf = Salesforce(
            username=self.username,
            password=self.password,
            security_token="",
            session=self.session,
            version=VERSION,
        )
        assert sf.query("SELECT Id FROM User LIMIT 1")["totalSize"] == 1
        token, instance = SalesforceLogin(
            scratch_url=self.base,
            username=self.username,
            password=self.password,
            security_token="",
            sf_version=VERSION,
        )
        assert token and instance == urlsplit(self.base).netloc
        try:
            SalesforceLogin(
                scratch_url=self.base,
                username=self.username,
                password="wrong",
                security_token="",
                sf_version=VERSION,
            )
        except SalesforceAuthenticationFailed as error:
            assert error.code == "INVALID_LOGIN", error.code
        else:
            raise AssertionError("a wrong password was accepted")

    def check_3_password_flow_and_expired_session(self):
        sf = Salesforce(
            username=self.username,
            password=self.password,
            consumer_key=self.client_id,
            consumer_secret=self.client_secret,
            session=self.session,
            version=VERSION,
        )
        assert sf.limits()["DailyApiRequests"]["Max"] > 0
        stale = Salesforce(
            instance_url=self.base, session_id="stale", session=self.session, version=VERSION
        )
        try:
            stale.query("SELECT Id FROM User")
        except SalesforceExpiredSession as error:
            assert error.content[0]["errorCode"] == "INVALID_SESSION_ID", error.content
        else:
            raise AssertionError("a stale session was accepted")

    def check_4_describe(self):
        names = [each["name"] for each in self.sf.describe()["sobjects"]]
        assert {"Account", "Contact", "Opportunity", "User"} <= set(names), names
        account = self.sf.Account.describe()
        fields = {field["name"]: field for field in account["fields"]}
        assert fields["Hub_Id__c"]["externalId"] and fields["Hub_Id__c"]["unique"]
        assert fields["OwnerId"]["referenceTo"] == ["User"]
        assert fields["Products_Owned__c"]["type"] == "multipicklist"
        assert self.sf.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"

    def check_5_query_over_several_pages(self):
        soql = "SELECT Id, Name, Owner.Name, SystemModstamp FROM Account ORDER BY Id"
        self.count = self.sf.query("SELECT COUNT() FROM Account")["totalSize"]
        assert self.count > 4000, f"needs more than 4000 accounts, has {self.count}"
        first = self.sf.query(soql)
        assert not first["done"] and len(first["records"]) <= 2000
        second = self.sf.query_more(first["nextRecordsUrl"], True)
        assert second["records"][0]["Id"] > first["records"][-1]["Id"]
        everything = self.sf.query_all(soql)
        assert len({row["Id"] for row in everything["records"]}) == self.count
        lazily = self.sf.query_all_iter("SELECT Id FROM Account LIMIT 2500")
        assert sum(1 for _ in lazily) == 2500
        usage = self.sf.api_usage["api-usage"]
        assert 0 < usage.used < usage.total, usage

    def check_6_a_wrong_query(self):
        try:
            self.sf.query("SELECT Nope FROM Account")
        except SalesforceMalformedRequest as error:
            assert error.content[0]["errorCode"] == "INVALID_FIELD", error.content
        else:
            raise AssertionError("an unknown column was accepted")

    def check_7_rows(self):
        account = self.sf.Account
        created = account.create({"Name": f"simple {RUN} \"Ü\" 🚀", "AnnualRevenue": 350000000})
        assert created["success"] and created["errors"] == []
        row = account.get(created["id"])
        assert row["Name"] == f"simple {RUN} \"Ü\" 🚀" and row["AnnualRevenue"] == 3.5e8
        assert account.update(created["id"], {"Industry": "Energy"}) == 204
        assert account.get(created["id"][:15])["Industry"] == "Energy"
        key = f"Hub_Id__c/py-{RUN}"
        assert account.upsert(key, {"Name": "Upserted"}) == 201
        assert account.upsert(key, {"Name": "Upserted again"}) == 200
        upserted = account.get_by_custom_id("Hub_Id__c", f"py-{RUN}")
        assert upserted["Name"] == "Upserted again"
        now = datetime.datetime.now(datetime.timezone.utc)
        window = (now - datetime.timedelta(minutes=10), now + datetime.timedelta(minutes=5))
        assert created["id"] in account.updated(*window)["ids"]
        for record in (created["id"], upserted["Id"]):
            assert account.delete(record) == 204
        deleted = account.deleted(*window)["deletedRecords"]
        assert created["id"] in [record["id"] for record in deleted]
        try:
            account.delete(created["id"])
        except SalesforceResourceNotFound as error:
            assert error.content[0]["errorCode"] == "ENTITY_IS_DELETED", error.content
        else:
            raise AssertionError("a second delete was accepted")
        try:
            self.sf.Contact.create({"LastName": "x", "Email": "nobody"})
        except SalesforceMalformedRequest as error:
            assert error.content[0]["errorCode"] == "INVALID_EMAIL_ADDRESS", error.content
        else:
            raise AssertionError("a wrong address was accepted")

    def check_8_collections(self):
        records = [
            {"attributes": {"type": "Account"}, "Name": name}
            for name in (f"simple {RUN} a", "", f"simple {RUN} c")
        ]
        body = {"allOrNone": False, "records": records}
        results = self.sf.restful("composite/sobjects", method="POST", json=body)
        assert [result["success"] for result in results] == [True, False, True]
        assert results[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
        ids = [result["id"] for result in results if result["success"]]
        update = [{"attributes": {"type": "Account"}, "id": each, "Phone": "1"} for each in ids]
        results = self.sf.restful("composite/sobjects", method="PATCH", json={"records": update})
        assert all(result["success"] for result in results)
        body = {"ids": ids, "fields": ["Id", "Phone"]}
        rows = self.sf.restful("composite/sobjects/Account", method="POST", json=body)
        assert [row["Phone"] for row in rows] == ["1", "1"]
        params = {"ids": ",".join(ids), "allOrNone": "true"}
        results = self.sf.restful("composite/sobjects", method="DELETE", params=params)
        assert all(result["success"] for result in results)

    def check_9_bulk_query_by_locators(self):
        query = "SELECT Id, Name, Owner.Name, Active__c FROM Account"
        pages = list(self.sf.bulk2.Account.query(query, max_records=1500, wait=0.02))
        assert len(pages) >= 3, f"{len(pages)} pages"
        rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
        assert len({row["Id"] for row in rows}) == len(rows) == self.count
        assert {row["Active__c"] for row in rows} <= {"true", "false"}
        assert all(row["Owner.Name"] for row in rows)

    def check_a_bulk_ingest(self):
        bulk = self.sf.bulk2.Account
        records = [{"Hub_Id__c": f"pyb-{RUN}-{at}", "Name": f"Bulk, \"{at}\""} for at in range(800)]
        records[7]["Name"] = "#N/A"
        done = bulk.upsert(records=records, external_id_field="Hub_Id__c", wait=0.02)[0]
        assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (800, 1), done
        failed = list(csv.DictReader(io.StringIO(bulk.get_failed_records(done["job_id"]))))
        assert failed[0]["sf__Error"].startswith("REQUIRED_FIELD_MISSING:"), failed
        text = bulk.get_successful_records(done["job_id"])
        good = list(csv.DictReader(io.StringIO(text)))
        assert len(good) == 799 and all(row["sf__Created"] == "true" for row in good)
        assert good[0]["Name"] == "Bulk, \"0\""
        found = self.sf.query(f"SELECT COUNT() FROM Account WHERE Hub_Id__c LIKE 'pyb-{RUN}-%'")
        assert found["totalSize"] == 799
        ids = [{"Id": row["sf__Id"]} for row in good]
        done = bulk.delete(records=ids, wait=0.02)[0]
        assert done["numberRecordsFailed"] == 0, done
        assert self.sf.query("SELECT COUNT() FROM Account")["totalSize"] == self.count


def main():
    if len(sys.argv) != 6:
        print(__doc__, file=sys.stderr)
        return 2
    checks = Checks(*sys.argv[1:])
    passed = failed = 0
    for name in sorted(name for name in dir(checks) if name.startswith("check_")):
        shown = name.split("_", 2)[2].replace("_", " ")
        try:
            getattr(checks, name)()
        except Exception:  # every failure is a finding, whatever its kind
            failed += 1
            print(f"FAIL  {shown}: {traceback.format_exc()}")
        else:
            passed += 1
            print(f"ok    {shown}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
