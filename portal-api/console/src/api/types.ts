import type { components } from './schema';

// The server's names for what the console shows, shortened where the context says the rest.
type Schemas = components['schemas'];

export type Session = Schemas['Session'];
export type SignInOptions = Schemas['SignInOptions'];
export type SecondStage = Schemas['SecondStage'];
export type OpenSession = Schemas['OpenSession'];
export type OwnFactors = Schemas['OwnFactors'];
export type Passkey = Schemas['Passkey'];
export type Device = Schemas['Device'];
export type NewTotp = Schemas['NewTotp'];
export type User = Schemas['User'];
export type PasswordLink = Schemas['PasswordLink'];
export type Invited = Schemas['Invited'];
export type RoleName = Schemas['RoleName'];
export type Role = Schemas['RoleInfo'];
export type Group = Schemas['Group'];
export type Team = Schemas['Team'];
export type Partner = Schemas['Partner'];
export type Assignment = Schemas['Assignment'];
export type AssignmentOrder = Schemas['AssignmentOrder'];
export type AssignmentPlan = Schemas['AssignmentPlan'];
export type Erasure = Schemas['Erasure'];
export type ErasurePlan = Schemas['ErasurePlan'];
export type NewErasure = Schemas['NewErasure'];
export type SubjectExport = Schemas['SubjectExport'];
export type Retention = Schemas['Retention'];
export type Key = Schemas['Key'];
export type NewSecret = Schemas['NewSecret'];
export type KeyUsage = Schemas['KeyUsage'];
export type AuditEntry = Schemas['AuditEntry'];
export type AuditVerification = Schemas['AuditVerification'];
export type SecurityPolicy = Schemas['SecurityPolicy'];
export type FactorRules = Schemas['FactorRules'];
export type Overview = Schemas['Overview'];
export type Flow = Schemas['Flow'];
export type System = Schemas['System'];
export type Connection = Schemas['Connection'];
export type Check = Schemas['CheckResult'];
export type Stream = Schemas['DiscoveredStream'];
export type ConnectionStream = Schemas['ConnectionStream'];
export type MappingSummary = Schemas['MappingSummary'];
export type Mapping = Schemas['Mapping'];
export type MappingLine = Schemas['MappingRow'];
export type MappingProblem = Pick<Schemas['MappingProblem'], 'line' | 'column' | 'message' | 'severity'>;
export type MappingVersion = Schemas['MappingVersionSummary'];
export type Field = Schemas['Field'];
export type Schedule = Schemas['Schedule'];
export type NewSchedule = Schemas['NewSchedule'];
export type ScheduleChange = Schemas['ScheduleChange'];
export type RunRow = Schemas['RunRow'];
export type Run = Schemas['Run'];
export type Lane = Schemas['Lane'];
export type RunCounts = Schemas['RunCounts'];
export type Step = Schemas['RunStep'];
export type AccountRow = Schemas['AccountRow'];
export type ContactRow = Schemas['ContactRow'];
/** Accounts and contacts are alike but for the names of their fields. */
export type Entity = Schemas['Account'] | Schemas['Contact'];
export type Provenance = Schemas['Provenance'];
export type FieldProvenance = Schemas['ProvenanceField'];
export type Side = Schemas['ProvenanceSide'];
export type TimelineEntry = Schemas['TimelineEntry'];
export type Conflict = Schemas['Conflict'];

/** A page of a list: `next` asks for the following one, `total` may be unknown. */
export type Page<T> = { items: T[]; next?: string | null; total?: number | null };
