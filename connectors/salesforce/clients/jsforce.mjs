// jsforce, unmodified, against a Salesforce or its simulator.
//
// usage: node jsforce.mjs BASE_URL CLIENT_ID CLIENT_SECRET USERNAME PASSWORD
//
// Expects more than 4,000 accounts, so that a query has several pages. Cleans up what it creates.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import jsforce from 'jsforce';

const [base, clientId, clientSecret, username, password] = process.argv.slice(2);
if (!password) {
  console.error('usage: node jsforce.mjs BASE_URL CLIENT_ID CLIENT_SECRET USERNAME PASSWORD');
  process.exit(2);
}

const version = '62.0';
const redirectUri = 'http://127.0.0.1:9/callback';
const oauth2 = { loginUrl: base, clientId, clientSecret, redirectUri };
const run = randomBytes(4).toString('hex');
let passed = 0;
let failed = 0;

async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}: ${error.stack ?? error}`);
  }
}

const connection = (more = {}) =>
  new jsforce.Connection({ loginUrl: base, instanceUrl: base, version, oauth2, callOptions: { client: 'hub' }, ...more });

const conn = connection();

// --- logging in

await check('client credentials', async () => {
  const user = await conn.authorize({ grant_type: 'client_credentials' });
  assert.match(user.id, /^005\w{15}$/);
  assert.match(user.organizationId, /^00D\w{15}$/);
  assert.equal(conn.instanceUrl, base);
});

await check('a wrong secret is refused', async () => {
  const wrong = connection({ oauth2: { ...oauth2, clientSecret: 'wrong' } });
  await assert.rejects(wrong.authorize({ grant_type: 'client_credentials' }), /invalid client credentials/);
});

await check('authorization code with PKCE, then refresh after a 401', async () => {
  const verifier = randomBytes(32).toString('base64url');
  const web = connection();
  const url = new URL(
    web.oauth2.getAuthorizationUrl({
      scope: 'api refresh_token',
      state: 'x',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }),
  );
  url.searchParams.set('auto', '1');
  const granted = await fetch(url, { redirect: 'manual' });
  assert.equal(granted.status, 302);
  const code = new URL(granted.headers.get('location')).searchParams.get('code');
  await web.authorize(code, { code_verifier: verifier });
  assert.ok(web.refreshToken);
  const stale = connection({ accessToken: 'stale', refreshToken: web.refreshToken });
  let refreshed = 0;
  stale.on('refresh', () => { refreshed += 1; });
  const result = await stale.query('SELECT Id FROM User LIMIT 1');
  assert.equal(result.records.length, 1);
  assert.equal(refreshed, 1);
});

await check('SOAP login', async () => {
  const soap = connection();
  const user = await soap.loginBySoap(username, password);
  assert.match(user.id, /^005\w{15}$/);
  assert.equal((await soap.query('SELECT Id FROM User LIMIT 1')).records.length, 1);
  await assert.rejects(connection().loginBySoap(username, 'wrong'), /INVALID_LOGIN/);
});

await check('username and password by OAuth', async () => {
  const old = connection();
  const user = await old.loginByOAuth2(username, password);
  assert.match(user.id, /^005\w{15}$/);
});

await check('identity', async () => {
  const identity = await conn.identity();
  assert.equal(identity.username, username);
});

// --- describing

await check('describe', async () => {
  const all = await conn.describeGlobal();
  assert.ok(all.sobjects.some((object) => object.name === 'Account' && object.queryable));
  const account = await conn.sobject('Account').describe();
  const hub = account.fields.find((field) => field.name === 'Hub_Id__c');
  assert.equal(hub.externalId && hub.unique && hub.idLookup, true);
  const contact = await conn.describe('Contact');
  const required = contact.fields.filter((f) => f.createable && !f.nillable && !f.defaultedOnCreate);
  assert.deepEqual(required.map((field) => field.name), ['LastName']);
  assert.ok(account.childRelationships.some((child) => child.childSObject === 'Contact'));
});

await check('versions and limits', async () => {
  const versions = await conn.request('/services/data/');
  assert.ok(versions.some((entry) => entry.version === version));
  const limits = await conn.limits();
  assert.ok(limits.DailyApiRequests.Max > 0);
  assert.ok(conn.limitInfo.apiUsage.limit > 0 && conn.limitInfo.apiUsage.used > 0);
});

// --- querying

const count = (await conn.query('SELECT COUNT() FROM Account')).totalSize;

await check('query over several pages', async () => {
  assert.ok(count > 4000, `needs more than 4000 accounts, has ${count}`);
  let page = await conn.query('SELECT Id, Name, Owner.Name, SystemModstamp FROM Account ORDER BY Id');
  assert.equal(page.totalSize, count);
  const ids = new Set();
  let pages = 0;
  for (;;) {
    pages += 1;
    for (const record of page.records) {
      ids.add(record.Id);
      assert.equal(record.attributes.type, 'Account');
      assert.ok(record.Owner.Name);
    }
    if (page.done) break;
    page = await conn.queryMore(page.nextRecordsUrl);
  }
  assert.equal(ids.size, count);
  assert.ok(pages >= 3, `${pages} pages`);
});

await check('query with autoFetch, batch size and find', async () => {
  const fetched = [];
  const query = conn.query('SELECT Id FROM Account LIMIT 900', { autoFetch: true, maxFetch: 900, headers: { 'Sforce-Query-Options': 'batchSize=200' } });
  query.on('record', (record) => fetched.push(record.Id));
  await query.execute();
  assert.equal(new Set(fetched).size, 900);
  const found = await conn
    .sobject('Account')
    .find({ AnnualRevenue: { $gt: 0 }, Name: { $like: '%Insurance%' }, CreatedDate: { $gte: jsforce.SfDate?.toDateTimeLiteral?.(new Date(0)) ?? new jsforce.Date(0) } }, 'Id, Name')
    .sort({ Name: -1 })
    .limit(5)
    .execute();
  assert.equal(found.length, 5);
  assert.ok(found.every((record) => record.Name.includes('Insurance')));
});

await check('a wrong query has the API\'s code', async () => {
  await assert.rejects(conn.query('SELECT Nope FROM Account'), { errorCode: 'INVALID_FIELD' });
  await assert.rejects(conn.query('SELECT FROM'), { errorCode: 'MALFORMED_QUERY' });
});

// --- rows

await check('insert, read, update, upsert, delete one row', async () => {
  const account = conn.sobject('Account');
  const created = await account.create({ Name: `jsforce ${run} "Ü" 🚀`, AnnualRevenue: 350000000, BillingCity: 'Bonn' });
  assert.equal(created.success, true);
  const read = await account.retrieve(created.id);
  assert.equal(read.Name, `jsforce ${run} "Ü" 🚀`);
  assert.equal(read.AnnualRevenue, 350000000);
  assert.equal(read.BillingAddress.city, 'Bonn');
  const updated = await account.update({ Id: created.id, Industry: 'Energy', BillingCity: null });
  assert.deepEqual(updated, { id: created.id, success: true, errors: [] });
  const after = await account.retrieve(created.id.slice(0, 15));
  assert.equal(after.Industry, 'Energy');
  assert.equal(after.BillingCity, null);
  const key = `js-${run} 1`; // this client does not encode a slash here
  const first = await account.upsert({ Name: 'Upserted', Hub_Id__c: key }, 'Hub_Id__c');
  assert.equal(first.success, true);
  const second = await account.upsert({ Name: 'Upserted again', Hub_Id__c: key }, 'Hub_Id__c');
  assert.equal(second.success, true);
  const upserted = await conn.query(`SELECT Id, Name FROM Account WHERE Hub_Id__c = '${key}'`);
  assert.deepEqual(upserted.records.map((record) => record.Name), ['Upserted again']);
  assert.equal((await account.destroy(created.id)).success, true);
  await assert.rejects(account.destroy(created.id), { errorCode: 'ENTITY_IS_DELETED' });
  await account.destroy(upserted.records[0].Id);
  await assert.rejects(conn.sobject('Contact').create({ FirstName: 'x' }), { errorCode: 'REQUIRED_FIELD_MISSING' });
});

await check('collections: create, update, upsert, retrieve, delete, with a failing row', async () => {
  const account = conn.sobject('Account');
  const rows = Array.from({ length: 250 }, (_, at) => ({ Name: at === 3 ? '' : `jsforce ${run} ${at}` }));
  const created = await account.create(rows, { allowRecursive: true });
  assert.equal(created.length, 250);
  assert.equal(created[3].success, false);
  assert.equal(created[3].errors[0].statusCode ?? created[3].errors[0].errorCode, 'REQUIRED_FIELD_MISSING');
  const ids = created.filter((result) => result.success).map((result) => result.id);
  assert.equal(ids.length, 249);
  const updated = await account.update(ids.map((Id) => ({ Id, Phone: '1' })), { allowRecursive: true });
  assert.ok(updated.every((result) => result.success));
  const upserted = await account.upsert(
    [0, 1, 2].map((at) => ({ Hub_Id__c: `js-${run}-${at}`, Name: `jsforce ${run} u${at}` })),
    'Hub_Id__c',
    { allOrNone: false },
  );
  assert.ok(upserted.every((result) => result.success && result.created));
  ids.push(...upserted.map((result) => result.id));
  const read = await account.retrieve(ids.slice(0, 5), { fields: ['Id', 'Phone'] });
  assert.ok(read.every((record) => record.Phone === '1'));
  const rolledBack = await account.update([{ Id: ids[0], Phone: '2' }, { Id: ids[1], Name: '' }], { allOrNone: true });
  assert.deepEqual(rolledBack.map((result) => result.success), [false, false]);
  assert.equal((await account.retrieve(ids[0])).Phone, '1');
  const deleted = await account.destroy(ids, { allowRecursive: true });
  assert.ok(deleted.every((result) => result.success));
  assert.equal((await conn.query('SELECT COUNT() FROM Account')).totalSize, count);
});

await check('composite with a reference', async () => {
  const root = `/services/data/v${version}`;
  const answer = await conn.requestPost(`${root}/composite`, {
    allOrNone: true,
    compositeRequest: [
      { method: 'POST', url: `${root}/sobjects/Account`, referenceId: 'a', body: { Name: `jsforce ${run} c` } },
      { method: 'POST', url: `${root}/sobjects/Contact`, referenceId: 'c', body: { LastName: 'Ng', AccountId: '@{a.id}' } },
    ],
  });
  assert.deepEqual(answer.compositeResponse.map((part) => part.httpStatusCode), [201, 201]);
  const account = answer.compositeResponse[0].body.id;
  const contacts = await conn.sobject('Contact').find({ AccountId: account }, ['Id']);
  assert.equal(contacts.length, 1);
  await conn.sobject('Account').destroy(account);
  const gone = await conn.query(`SELECT Id FROM Contact WHERE Id = '${contacts[0].Id}'`);
  assert.equal(gone.totalSize, 0, 'contacts go with their account');
});

await check('deleted and updated', async () => {
  const account = conn.sobject('Account');
  const { id } = await account.create({ Name: `jsforce ${run} d` });
  const start = new Date(Date.now() - 10 * 60_000).toISOString();
  const end = new Date(Date.now() + 5 * 60_000).toISOString();
  assert.ok((await account.updated(start, end)).ids.includes(id));
  await account.destroy(id);
  const deleted = await account.deleted(start, end);
  assert.ok(deleted.deletedRecords.some((record) => record.id === id));
  assert.ok(deleted.latestDateCovered && deleted.earliestDateAvailable);
  const all = await conn.query(`SELECT Id FROM Account WHERE Id = '${id}' AND IsDeleted = true`, { scanAll: true });
  assert.equal(all.totalSize, 1);
});

// --- bulk (this client cannot read a result of several pages)

await check('bulk query', async () => {
  const stream = await conn.bulk2.query('SELECT Id, Name, Owner.Name, Active__c, CreatedDate FROM Account', { pollInterval: 20, pollTimeout: 60_000 });
  const records = await stream.toArray();
  assert.equal(records.length, count);
  assert.match(records[0].Id, /^001\w{15}$/);
  assert.ok(records.every((record) => ['true', 'false'].includes(record.Active__c)));
  assert.match(records[0].CreatedDate, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

await check('bulk ingest: upsert, then delete', async () => {
  const options = { object: 'Account', pollInterval: 20, pollTimeout: 60_000 };
  const input = Array.from({ length: 1000 }, (_, at) => ({ Hub_Id__c: `jsb-${run}-${at}`, Name: at === 7 ? '' : `Bulk, "${at}"` }));
  const result = await conn.bulk2.loadAndWaitForResults({ ...options, operation: 'upsert', externalIdFieldName: 'Hub_Id__c', input });
  assert.equal(result.successfulResults.length, 999);
  assert.equal(result.failedResults.length, 1);
  assert.match(result.failedResults[0].sf__Error, /^REQUIRED_FIELD_MISSING:/);
  assert.ok(result.successfulResults.every((row) => row.sf__Created === 'true'));
  const again = await conn.bulk2.loadAndWaitForResults({ ...options, operation: 'upsert', externalIdFieldName: 'Hub_Id__c', input: input.slice(0, 5).map((row) => ({ ...row, Name: 'Again' })) });
  assert.ok(again.successfulResults.every((row) => row.sf__Created === 'false'));
  const found = await conn.query(`SELECT COUNT() FROM Account WHERE Hub_Id__c LIKE 'jsb-${run}-%' AND Name = 'Again'`);
  assert.equal(found.totalSize, 5);
  const gone = await conn.bulk2.loadAndWaitForResults({ ...options, operation: 'delete', input: result.successfulResults.map((row) => ({ Id: row.sf__Id })) });
  assert.equal(gone.successfulResults.length, 999);
  assert.equal((await conn.query('SELECT COUNT() FROM Account')).totalSize, count);
});

await check('revoke', async () => {
  const token = conn.accessToken;
  await conn.logout();
  await assert.rejects(connection({ accessToken: token, oauth2: undefined }).query('SELECT Id FROM User'), { errorCode: 'INVALID_SESSION_ID' });
});

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
