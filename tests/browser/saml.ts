import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inflateRawSync } from 'node:zlib';

/** What the provider says of whoever comes. */
export type Person = { name: string; email: string; displayName: string; groups: string[] };

const ADA: Person = {
  name: 'ada-at-saml',
  email: 'ada.saml@example.com',
  displayName: 'Ada Okafor',
  groups: ['night watch', 'ops'],
};

const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const C14N = 'http://www.w3.org/2001/10/xml-exc-c14n#';

/**
 * A provider of SAML on this machine. It asks nobody anything: whoever comes is sent back at once by a form, as the
 * person it was told to take them for. What it signs is written as canonical XML would have it: attributes by their
 * names, namespaces where they are first used, nothing left out that is implied.
 */
export class SamlProvider {
  readonly #keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  readonly #server: Server;
  #person = ADA;
  /** What the browser was sent here to do, of each request: whether it was to ask anew. */
  readonly asked: { isAnew: boolean }[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      try {
        this.#answer(new URL(request.url ?? '/', this.address), response);
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
  }

  static async start(): Promise<SamlProvider> {
    const provider = new SamlProvider();
    await new Promise<void>((done) => provider.#server.listen(0, '127.0.0.1', done));
    return provider;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get metadata(): string {
    const certificate = this.#certificate().toString('base64');
    return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${this.address}/metadata">
  <md:IDPSSODescriptor protocolSupportEnumeration="${PROTOCOL}">
    <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="${DSIG}"><ds:X509Data>
      <ds:X509Certificate>${certificate}</ds:X509Certificate>
    </ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
      Location="${this.address}/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>`;
  }

  /** From now on it says this. */
  says(change: Partial<Person>) {
    this.#person = { ...ADA, ...change };
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #answer(url: URL, response: ServerResponse) {
    if (url.pathname !== '/sso') {
      response.writeHead(404).end();
      return;
    }
    const packed = Buffer.from(url.searchParams.get('SAMLRequest') ?? '', 'base64');
    const request = inflateRawSync(packed).toString();
    const said = (name: string) => new RegExp(` ${name}="([^"]*)"`).exec(request)?.[1] ?? '';
    const audience = /Issuer[^>]*>([^<]+)</.exec(request)?.[1] ?? '';
    this.asked.push({ isAnew: said('ForceAuthn') === 'true' });
    const to = said('AssertionConsumerServiceURL');
    const document = this.#document(said('ID'), to, audience);
    const state = url.searchParams.get('RelayState') ?? '';
    // A form that sends itself; without a script the browser's person does.
    response.writeHead(200, { 'content-type': 'text/html' }).end(
      `<form method="post" action="${to}"><input type="hidden" name="SAMLResponse" value="${Buffer.from(
        document,
      ).toString(
        'base64',
      )}"><input type="hidden" name="RelayState" value="${state}"><button>Go on</button></form>
      <script>document.forms[0].submit()</script>`,
    );
  }

  #document(request: string, to: string, audience: string): string {
    const at = (seconds: number) =>
      new Date(Date.now() + seconds * 1_000).toISOString().replace(/\.\d+Z$/, 'Z');
    const issuer = `<a:Issuer>${this.address}/metadata</a:Issuer>`;
    const values = (name: string, all: string[]) =>
      `<a:Attribute Name="${name}">${all
        .map((value) => `<a:AttributeValue>${value}</a:AttributeValue>`)
        .join('')}</a:Attribute>`;
    const { name, email, displayName, groups } = this.#person;
    const id = `_${randomBytes(16).toString('hex')}`;
    const head = `<a:Assertion xmlns:a="${ASSERTION}" ID="${id}" IssueInstant="${at(0)}" Version="2.0">${issuer}`;
    const rest =
      `<a:Subject><a:NameID>${name}</a:NameID>` +
      '<a:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><a:SubjectConfirmationData ' +
      `InResponseTo="${request}" NotOnOrAfter="${at(120)}" Recipient="${to}"></a:SubjectConfirmationData>` +
      `</a:SubjectConfirmation></a:Subject><a:Conditions NotBefore="${at(-30)}" NotOnOrAfter="${at(120)}">` +
      `<a:AudienceRestriction><a:Audience>${audience}</a:Audience></a:AudienceRestriction></a:Conditions>` +
      `<a:AuthnStatement AuthnInstant="${at(0)}" SessionIndex="${id}"><a:AuthnContext><a:AuthnContextClassRef>` +
      'urn:oasis:names:tc:SAML:2.0:ac:classes:Password</a:AuthnContextClassRef></a:AuthnContext></a:AuthnStatement>' +
      `<a:AttributeStatement>${values('email', [email])}${values('name', [displayName])}` +
      `${values('groups', groups)}</a:AttributeStatement></a:Assertion>`;
    const assertion = head + this.#signature(id, head + rest) + rest;
    return (
      `<p:Response xmlns:p="${PROTOCOL}" Destination="${to}" ID="_${randomBytes(16).toString('hex')}" ` +
      `InResponseTo="${request}" IssueInstant="${at(0)}" Version="2.0">` +
      `<a:Issuer xmlns:a="${ASSERTION}">${this.address}/metadata</a:Issuer>` +
      '<p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>' +
      `${assertion}</p:Response>`
    );
  }

  /** The signature over an element that is canonical already. */
  #signature(id: string, element: string): string {
    const digest = createHash('sha256').update(element).digest('base64');
    const info =
      `<ds:CanonicalizationMethod Algorithm="${C14N}"></ds:CanonicalizationMethod>` +
      '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod>' +
      `<ds:Reference URI="#${id}"><ds:Transforms><ds:Transform Algorithm="${DSIG}enveloped-signature">` +
      `</ds:Transform><ds:Transform Algorithm="${C14N}"></ds:Transform></ds:Transforms>` +
      '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>' +
      `<ds:DigestValue>${digest}</ds:DigestValue></ds:Reference>`;
    const signed = `<ds:SignedInfo xmlns:ds="${DSIG}">${info}</ds:SignedInfo>`;
    const value = sign('sha256', Buffer.from(signed), this.#keys.privateKey).toString('base64');
    return (
      `<ds:Signature xmlns:ds="${DSIG}"><ds:SignedInfo>${info}</ds:SignedInfo>` +
      `<ds:SignatureValue>${value}</ds:SignatureValue></ds:Signature>`
    );
  }

  /** A certificate for the key, signed with it: ASN.1 by hand, for Node makes none. */
  #certificate(): Buffer {
    const part = (tag: number, ...content: Buffer[]) => {
      const body = Buffer.concat(content);
      const { length } = body;
      const size =
        length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
      return Buffer.concat([Buffer.from([tag, ...size]), body]);
    };
    // sha256WithRSAEncryption, and its empty parameters.
    const algorithm = part(0x30, part(6, Buffer.from('2a864886f70d01010b', 'hex')), part(5));
    const commonName = part(6, Buffer.from('550403', 'hex'));
    const name = part(0x30, part(0x31, part(0x30, commonName, part(0x0c, Buffer.from('provider')))));
    const year = new Date().getUTCFullYear() % 100;
    const day = (offset: number) =>
      part(0x17, Buffer.from(`${String(year + offset).padStart(2, '0')}0101000000Z`));
    const key = this.#keys.publicKey.export({ type: 'spki', format: 'der' });
    const validity = part(0x30, day(-1), day(2));
    const content = part(0x30, part(2, Buffer.from([1])), algorithm, name, validity, name, key);
    const signature = sign('sha256', content, this.#keys.privateKey);
    return part(0x30, content, algorithm, part(3, Buffer.from([0]), signature));
  }
}
