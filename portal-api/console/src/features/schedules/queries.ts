import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';
import type { NewSchedule, Schedule, ScheduleChange } from '#/api/types';
import { listQuery } from '#/lib/pages';

/** All of them: the server gives them at once. */
export function schedulesQuery() {
  return listQuery<Schedule>(['schedules', 'list'], () => unwrap(api.GET('/api/v1/schedules')));
}

export function scheduleQuery(id: string) {
  return queryOptions({
    queryKey: ['schedules', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/schedules/{id}', { params: { path: { id } } })),
    refetchInterval: pollEvery(false, 10_000),
  });
}

export function createSchedule(body: NewSchedule): Promise<Schedule> {
  return unwrap(api.POST('/api/v1/schedules', { body }));
}

export function editSchedule(schedule: Schedule, body: ScheduleChange): Promise<Schedule> {
  return unwrap(
    api.PATCH('/api/v1/schedules/{id}', {
      params: { path: { id: schedule.id }, header: { 'If-Match': ifMatch(schedule.version) } },
      body,
    }),
  );
}

export async function deleteSchedule(schedule: Schedule): Promise<void> {
  await unwrap(
    api.DELETE('/api/v1/schedules/{id}', {
      params: { path: { id: schedule.id }, header: { 'If-Match': ifMatch(schedule.version) } },
    }),
  );
}

export function runNow(id: string): Promise<{ run_id: string }> {
  return unwrap(api.POST('/api/v1/schedules/{id}/run', { params: { path: { id } } }));
}

/** Leaves out the next time; it is named, so that a second click does not leave out two. */
export function skipNext(id: string, at: string): Promise<Schedule> {
  return unwrap(api.POST('/api/v1/schedules/{id}/skip', { params: { path: { id } }, body: { at } }));
}
