import type { components } from './schema';

type Schemas = components['schemas'];

export type Session = Schemas['Session'];
export type Overview = Schemas['Overview'];
export type Flow = Schemas['Flow'];
export type System = Schemas['System'];
export type Connection = Schemas['Connection'];
export type Check = Schemas['Check'];
export type Stream = Schemas['Stream'];
export type ConnectionStream = Schemas['ConnectionStream'];
export type MappingRow = Schemas['MappingRow'];
export type Mapping = Schemas['Mapping'];
export type MappingLine = Schemas['MappingLine'];
export type MappingProblem = Schemas['MappingProblem'];
export type MappingVersion = Schemas['MappingVersion'];
export type Field = Schemas['Field'];
export type Schedule = Schemas['Schedule'];
export type ScheduleInput = Schemas['ScheduleInput'];
export type RunRow = Schemas['RunRow'];
export type Run = Schemas['Run'];
export type RunCounts = Schemas['RunCounts'];
export type Step = Schemas['Step'];
export type Attempt = Schemas['Attempt'];
export type AccountRow = Schemas['AccountRow'];
export type ContactRow = Schemas['ContactRow'];
export type Entity = Schemas['Entity'];
export type Provenance = Schemas['Provenance'];
export type FieldProvenance = Schemas['FieldProvenance'];
export type Side = Schemas['Side'];
export type TimelineEntry = Schemas['TimelineEntry'];
export type Conflict = Schemas['Conflict'];

/** A page of a list: `next` asks for the following one, `total` may be unknown. */
export type Page<T> = { items: T[]; next?: string | null; total?: number | null };
