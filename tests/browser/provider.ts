import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the provider says of whoever comes. */
export type Claims = { sub: string; email: string; email_verified: boolean; name: string; groups: string[] };

const ADA: Claims = {
  sub: 'ada-1',
  email: 'ada.there@example.com',
  email_verified: true,
  name: 'Ada Okafor',
  groups: ['night watch', 'ops'],
};

/** Of one sign-in, from its beginning to the token. */
type Begun = { nonce: string; challenge: string; client: string };

/**
 * A provider of OpenID Connect on this machine. It asks nobody anything: whoever comes is sent back at once, as the
 * person it was told to take them for.
 */
export class Provider {
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #begun = new Map<string, Begun>();
  readonly #server: Server;
  #claims = ADA;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => json(response, 500, { error: String(error) }));
    });
  }

  static async start(): Promise<Provider> {
    const provider = new Provider();
    await new Promise<void>((done) => provider.#server.listen(0, '127.0.0.1', done));
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on it says this. */
  says(change: Partial<Claims>) {
    this.#claims = { ...ADA, ...change };
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? '/', this.issuer);
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return json(response, 200, {
          issuer: this.issuer,
          authorization_endpoint: `${this.issuer}/authorize`,
          token_endpoint: `${this.issuer}/token`,
          jwks_uri: `${this.issuer}/keys`,
          authorization_response_iss_parameter_supported: true,
          code_challenge_methods_supported: ['S256'],
        });
      case '/keys': {
        const key = this.#keys.publicKey.export({ format: 'jwk' });
        return json(response, 200, { keys: [{ ...key, kid: 'one', use: 'sig', alg: 'ES256' }] });
      }
      case '/authorize':
        return this.#authorize(url.searchParams, response);
      case '/token':
        return this.#token(new URLSearchParams(await read(request)), response);
      default:
        return json(response, 404, { error: 'not_found' });
    }
  }

  #authorize(asked: URLSearchParams, response: ServerResponse) {
    const code = randomUUID();
    this.#begun.set(code, {
      nonce: asked.get('nonce') ?? '',
      challenge: asked.get('code_challenge') ?? '',
      client: asked.get('client_id') ?? '',
    });
    const back = new URL(asked.get('redirect_uri') ?? '');
    back.searchParams.set('state', asked.get('state') ?? '');
    back.searchParams.set('code', code);
    back.searchParams.set('iss', this.issuer);
    response.writeHead(302, { location: back.href }).end();
  }

  #token(asked: URLSearchParams, response: ServerResponse) {
    const begun = this.#begun.get(asked.get('code') ?? '');
    const shown = createHash('sha256')
      .update(asked.get('code_verifier') ?? '')
      .digest('base64url');
    if (!begun || shown !== begun.challenge) return json(response, 400, { error: 'invalid_grant' });
    this.#begun.delete(asked.get('code') ?? '');
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: this.issuer,
      aud: begun.client,
      nonce: begun.nonce,
      iat: now,
      exp: now + 300,
      ...this.#claims,
    };
    return json(response, 200, { access_token: 'at', token_type: 'Bearer', id_token: this.#sign(claims) });
  }

  #sign(claims: object): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'ES256', kid: 'one', typ: 'JWT' })}.${part(claims)}`;
    const key = { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' as const };
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function json(response: ServerResponse, status: number, body: object) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
