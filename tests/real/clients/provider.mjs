// A certified OpenID provider on loopback: `node provider.mjs PORT CLIENT`, where CLIENT is the JSON
// of the hub's registration. What it is reached by beside its own issuer has the shape of Microsoft's:
// one description for all directories, with `{tenantid}` in its issuer.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const [port, registration] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const base = `http://127.0.0.1:${port}`;
const DIRECTORY = '11111111-2222-3333-4444-555555555555';

const users = {
  ada: { email: 'ada@one.example', email_verified: true, name: 'Ada', groups: ['ops'] },
  bob: { email: 'bob@one.example', email_verified: true, name: 'Bob', groups: [] },
  eve: { email: 'eve@one.example', email_verified: false, name: 'Eve', groups: ['ops'] },
  mallory: { email: 'mallory@evil.example', email_verified: true, name: 'Mallory', groups: ['ops'] },
};

function provider(issuer) {
  const made = new Provider(issuer, {
    clients: [registration],
    pkce: { required: () => true },
    cookies: { keys: ['only for these tests'] },
    claims: {
      openid: ['sub', 'tid'],
      email: ['email', 'email_verified'],
      profile: ['name', 'groups'],
    },
    features: {
      backchannelLogout: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: true },
    },
    ttl: { AccessToken: 60, IdToken: 300, RefreshToken: 600, Session: 3600, Interaction: 600, Grant: 3600 },
    // It calls nobody on loopback otherwise, where the hub is.
    fetch: (url, { dispatcher: _guarded, ...options }) => fetch(url, options),
    issueRefreshToken: async (_context, client, code) =>
      client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    findAccount: async (_context, id) =>
      users[id] && {
        accountId: id,
        claims: async () => ({ sub: id, tid: DIRECTORY, ...users[id] }),
      },
  });
  made.on('backchannel.error', (_context, error) => console.error(`back-channel logout: ${error}`));
  made.on('server_error', (_context, error) => console.error(error));
  return made.callback();
}

const own = provider(base);
const prefix = `/${DIRECTORY}/v2.0`;
const directory = provider(`${base}${prefix}`);

createServer(async (incoming, answer) => {
  const path = incoming.url ?? '/';
  if (path === '/organizations/v2.0/.well-known/openid-configuration') {
    const mine = await fetch(`${base}${prefix}/.well-known/openid-configuration`);
    const described = { ...(await mine.json()), issuer: `${base}/{tenantid}/v2.0` };
    answer.setHeader('content-type', 'application/json');
    answer.end(JSON.stringify(described));
  } else if (path.startsWith(`${prefix}/`)) {
    incoming.originalUrl = path;
    incoming.url = path.slice(prefix.length);
    directory(incoming, answer);
  } else {
    own(incoming, answer);
  }
}).listen(port, '127.0.0.1', () => console.log('ready'));
