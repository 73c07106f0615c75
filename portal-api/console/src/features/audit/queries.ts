import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import type { AuditEntry, AuditVerification } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';

export type AuditFilters = {
  /** Id of a user or of a key. */
  actor?: string;
  action?: string;
  subject_kind?: string;
  subject_id?: string;
  /** Days in the viewer's zone, `2026-11-20`, both of them included. */
  from?: string;
  to?: string;
};

/** The filters as the server takes them: instants, the end left out. */
export function toQuery({ from, to, ...rest }: AuditFilters) {
  return { ...rest, since: from && midnight(from, 0), until: to && midnight(to, 1) };
}

/** When the day begins for the viewer, or the day that comes so many days later. */
function midnight(day: string, later: number): string | undefined {
  const at = new Date(`${day}T00:00:00`);
  if (Number.isNaN(at.getTime())) return undefined;
  at.setDate(at.getDate() + later);
  return at.toISOString();
}

export function auditQuery(filters: AuditFilters) {
  return listQuery<AuditEntry>(['audit', 'list', filters], (cursor) =>
    unwrap(api.GET('/api/v1/audit', { params: { query: { ...toQuery(filters), cursor, limit: LIMIT } } })),
  );
}

export function verifyTrail(): Promise<AuditVerification> {
  return unwrap(api.GET('/api/v1/audit/verification'));
}

/** The filtered entries as a table, all of them. */
export function exportTrail(filters: AuditFilters): Promise<Blob> {
  return unwrap(api.GET('/api/v1/audit.csv', { params: { query: toQuery(filters) }, parseAs: 'blob' }));
}

/** Keys as actors; asked for only by who may see them. */
export const keyNamesQuery = queryOptions({
  queryKey: ['keys', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/keys')),
});
