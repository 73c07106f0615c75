import createClient from 'openapi-fetch';
import { Problem } from './problem';
import type { paths } from './schema';

export const api = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? '',
  credentials: 'same-origin',
  // Looked up at each call, so that a test can put its own in place.
  fetch: (request) => globalThis.fetch(request),
});

type Result<T> = { data?: T; error?: unknown; response: Response };

/** The answer's body, or a thrown [`Problem`]. */
export async function unwrap<T>(call: Promise<Result<T>>): Promise<T> {
  return (await answer(call)).data as T;
}

/** The body with its tag, where the version is not in the body. */
export async function tagged<T extends object>(call: Promise<Result<T>>): Promise<T & { etag: string }> {
  const { data, response } = await answer(call);
  return { ...(data as T), etag: response.headers.get('etag') ?? '' };
}

/** What `If-Match` carries for the version that was read. */
export function ifMatch(version: number): string {
  return `"${version}"`;
}

async function answer<T>(call: Promise<Result<T>>): Promise<Result<T>> {
  let result: Result<T>;
  try {
    result = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw Problem.unreachable(error);
  }
  if (result.response.ok) return result;
  const body = result.error;
  const problem =
    typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : { detail: undefined };
  throw new Problem(result.response.status, {
    title: result.response.statusText || undefined,
    ...problem,
  });
}
