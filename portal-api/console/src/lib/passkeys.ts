/** Passkeys as the server speaks of them: binary values are texts in base64url. */
type Json = Record<string, unknown>;

/** A passkey belongs to a name: at an address of numbers there are none. */
export function canUsePasskeys(): boolean {
  const hasName = !/^[\d.]+$|:/.test(globalThis.location?.hostname ?? '');
  return (
    hasName && typeof globalThis.PublicKeyCredential === 'function' && navigator.credentials !== undefined
  );
}

/** Asks the browser to make a passkey; what the server takes of it. */
export async function makePasskey(options: unknown): Promise<Json> {
  const asked = inner(options) as Json;
  const user = asked.user as Json;
  const made = await navigator.credentials.create({
    publicKey: {
      ...asked,
      challenge: bytes(asked.challenge),
      user: { ...user, id: bytes(user.id) },
      excludeCredentials: known(asked.excludeCredentials),
    } as unknown as PublicKeyCredentialCreationOptions,
  });
  const credential = made as PublicKeyCredential;
  const response = credential.response as AuthenticatorAttestationResponse;
  return {
    ...named(credential),
    response: {
      attestationObject: text(response.attestationObject),
      clientDataJSON: text(response.clientDataJSON),
      transports: response.getTransports?.() ?? [],
    },
  };
}

/** Asks the browser to sign with a passkey; what the server takes of it. */
export async function signWithPasskey(options: unknown): Promise<Json> {
  const asked = inner(options) as Json;
  const signed = await navigator.credentials.get({
    publicKey: {
      ...asked,
      challenge: bytes(asked.challenge),
      allowCredentials: known(asked.allowCredentials),
    } as unknown as PublicKeyCredentialRequestOptions,
  });
  const credential = signed as PublicKeyCredential;
  const response = credential.response as AuthenticatorAssertionResponse;
  return {
    ...named(credential),
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    },
  };
}

/** The person closed the browser's question, or let it wait too long: no fault to speak of. */
export function isCancelled(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'AbortError');
}

function inner(options: unknown): unknown {
  return (options as { publicKey: unknown }).publicKey;
}

function named(credential: PublicKeyCredential): Json {
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, extensions: {} };
}

function known(list: unknown): unknown {
  return Array.isArray(list) ? list.map((one: Json) => ({ ...one, id: bytes(one.id) })) : [];
}

export function bytes(value: unknown): Uint8Array<ArrayBuffer> {
  const plain = atob(String(value).replaceAll('-', '+').replaceAll('_', '/'));
  const out = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at += 1) out[at] = plain.charCodeAt(at);
  return out;
}

export function text(buffer: ArrayBuffer): string {
  let plain = '';
  for (const byte of new Uint8Array(buffer)) plain += String.fromCharCode(byte);
  return btoa(plain).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
