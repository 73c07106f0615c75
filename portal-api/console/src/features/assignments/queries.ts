import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import type { Assignment, AssignmentOrder, AssignmentPlan } from '#/api/types';

/** Who looks after an account and who did: under the accounts, so that a change of the account renews it. */
export function assignmentsQuery(account: string) {
  return queryOptions({
    queryKey: ['accounts', 'assignments', account],
    queryFn: async (): Promise<Assignment[]> => {
      const params = { path: { id: account } };
      return (await unwrap(api.GET('/api/v1/accounts/{id}/assignments', { params }))).items;
    },
  });
}

export async function assign({ account, to }: { account: string; to: string }): Promise<Assignment[]> {
  const params = { path: { id: account } };
  return (await unwrap(api.POST('/api/v1/accounts/{id}/assignments', { params, body: { to } }))).items;
}

export async function endAssignment(wish: { account: string; assignment: string }): Promise<void> {
  const params = { path: { id: wish.account, assignment: wish.assignment } };
  await unwrap(api.DELETE('/api/v1/accounts/{id}/assignments/{assignment}', { params }));
}

export function planOrder(body: AssignmentOrder): Promise<AssignmentPlan> {
  return unwrap(api.POST('/api/v1/assignments/plan', { body }));
}

export function carryOut(body: AssignmentOrder): Promise<AssignmentPlan> {
  return unwrap(api.POST('/api/v1/assignments', { body }));
}
