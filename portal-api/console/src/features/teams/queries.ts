import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import type { Team } from '#/api/types';

/** All of them: the server gives them at once. */
export const teamsQuery = queryOptions({
  queryKey: ['teams', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/teams')),
});

export function teamQuery(id: string) {
  return queryOptions({
    queryKey: ['teams', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/teams/{id}', { params: { path: { id } } })),
  });
}

export type TeamInput = Pick<Team, 'name' | 'members'>;

export function createTeam(body: TeamInput): Promise<Team> {
  return unwrap(api.POST('/api/v1/teams', { body }));
}

function versioned(team: Team) {
  return { path: { id: team.id }, header: { 'If-Match': ifMatch(team.version) } };
}

export function editTeam(team: Team, body: TeamInput): Promise<Team> {
  return unwrap(api.PUT('/api/v1/teams/{id}', { params: versioned(team), body }));
}

export async function deleteTeam(team: Team): Promise<void> {
  await unwrap(api.DELETE('/api/v1/teams/{id}', { params: versioned(team) }));
}

/** The teams somebody is in. */
export function teamsOf(teams: readonly Team[], user: string): Team[] {
  return teams.filter((team) => team.members.some((member) => member.user_id === user));
}
