import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, createRouter, RouterProvider } from '@tanstack/react-router';
import { render } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { vi } from 'vitest';
import { WordsProvider } from '#/lib/words';
import { routeTree } from '#/route-tree.gen';

export type Answer = unknown | ((request: Request) => unknown);

/** A server by table: `GET /api/v1/runs` to a body, a `Response`, or a function of the request. */
export function serve(answers: Record<string, Answer>) {
  const asked: { call: string; request: Request; body: unknown }[] = [];
  vi.stubGlobal(
    'fetch',
    vi.fn(async (input: Request | string) => {
      const request = typeof input === 'string' ? new Request(new URL(input, location.origin)) : input;
      const call = `${request.method} ${new URL(request.url).pathname}`;
      const text = await request.clone().text();
      asked.push({ call, request, body: text === '' ? undefined : JSON.parse(text) });
      if (!(call in answers)) return problem(404, 'not-found', `${call} is not served by this test`);
      const answer = answers[call];
      const body = typeof answer === 'function' ? await answer(request) : answer;
      return body instanceof Response ? body : json(body);
    }),
  );
  vi.stubGlobal('EventSource', SilentLine);
  return asked;
}

export function json(body: unknown, status = 200): Response {
  return new Response(body === undefined ? null : JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json' },
  });
}

export function problem(status: number, slug: string, detail: string, more: object = {}): Response {
  const body = {
    type: `/problems/${slug}`,
    title: slug,
    status,
    detail,
    instance: 'req_0123456789abcdef',
    ...more,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json' },
  });
}

class SilentLine {
  static readonly CLOSED = 2;
  readyState = 1;
  addEventListener() {}
  close() {}
}

/** The whole console at an address, against the server of [`serve`]. */
export async function open(path: string) {
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = createRouter({
    routeTree,
    context: { queryClient },
    history: createMemoryHistory({ initialEntries: [path] }),
  });
  await router.load();
  render(
    <WordsProvider>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router as never} />
      </QueryClientProvider>
    </WordsProvider>,
  );
  return { router, user: userEvent.setup() };
}

/** One component with its words. */
export function show(children: React.ReactNode) {
  render(<WordsProvider>{children}</WordsProvider>);
  return userEvent.setup();
}

export const SESSION = {
  user: {
    id: 'usr_1',
    email: 'admin@example.com',
    name: 'Admin',
    role: 'admin',
    must_change_password: false,
    has_factor: false,
    factor_due: null,
    must_enrol: false,
  },
  tenant: { id: 'tnt_1', name: 'Acme', environment: 'demo' },
  is_operator: false,
  scope: 'all',
  permissions: [
    'hub.read',
    'hub.configure',
    'records.read',
    'records.write',
    'conflicts.read',
    'conflicts.resolve',
    'connections.read',
    'connections.operate',
    'connections.manage',
    'mappings.read',
    'mappings.manage',
    'schedules.read',
    'schedules.operate',
    'schedules.manage',
    'runs.read',
    'runs.operate',
    'users.read',
    'users.manage',
    'audit.read',
    'keys.manage',
    'teams.read',
    'teams.manage',
    'privacy.manage',
    'privacy.approve',
  ],
};

export function page<T>(items: T[]) {
  return { items, next: null, total: items.length };
}
