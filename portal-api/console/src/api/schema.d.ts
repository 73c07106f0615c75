/* The contract by hand until the server's document is there to generate it from. */
type Json<T> = { content: { 'application/json': T } };
type Empty = { content?: never };
type Op<R, P extends object = object, B = never> = {
  parameters: P;
  responses: { 200: R extends void ? Empty : Json<R> };
} & ([B] extends [never] ? { requestBody?: never } : { requestBody: Json<B> });
type Id = { path: { id: string } };
type Edit = Id & { header: { 'If-Match': string } };
type List<T> = { items: T[]; next: string | null; total: number | null };
type Page = { limit?: number; cursor?: string; sort?: string };
type S = components['schemas'];

export interface paths {
  '/api/v1/session': {
    get: Op<S['Session']>;
    post: Op<S['Session'], object, { email: string; password: string }>;
    delete: Op<void>;
  };
  '/api/v1/session/password': { post: Op<void, object, { current: string; new: string }> };
  '/api/v1/overview': { get: Op<S['Overview']> };
  '/api/v1/systems': { get: Op<S['System'][]> };
  '/api/v1/connections': {
    get: Op<List<S['Connection']>, { query?: Page }>;
    post: Op<S['Connection'], object, { system: string; name: string; config: Record<string, unknown> }>;
  };
  '/api/v1/connections/{id}': {
    get: Op<S['Connection'], Id>;
    patch: Op<S['Connection'], Edit, { name?: string; config?: Record<string, unknown> }>;
    delete: Op<void, Edit>;
  };
  '/api/v1/connections/{id}/check': { post: Op<S['Check'], Id> };
  '/api/v1/connections/{id}/discover': { post: Op<{ streams: S['Stream'][] }, Id> };
  '/api/v1/connections/{id}/streams': { get: Op<S['ConnectionStream'][], Id> };
  '/api/v1/connections/{id}/streams/{stream}': {
    put: Op<
      S['ConnectionStream'],
      { path: { id: string; stream: string }; header?: { 'If-Match'?: string } },
      { enabled: boolean; entity: string }
    >;
  };
  '/api/v1/connections/{id}/streams/{stream}/pull': {
    post: Op<{ run_id: string }, { path: { id: string; stream: string } }, { full?: boolean }>;
  };
  '/api/v1/mappings': { get: Op<List<S['MappingRow']>, { query?: Page & { connection_id?: string } }> };
  '/api/v1/mappings/{id}': {
    get: Op<S['Mapping'], Id>;
    put: Op<S['Mapping'], Edit, { text: string; publish: boolean }>;
  };
  '/api/v1/mappings/check': {
    post: Op<S['MappingCheck'], object, { connection_id: string; stream: string; text: string }>;
  };
  '/api/v1/mappings/{id}/versions': { get: Op<List<S['MappingVersion']>, Id & { query?: Page }> };
  '/api/v1/mappings/{id}/versions/{n}': {
    get: Op<S['MappingVersion'] & { text: string }, { path: { id: string; n: number } }>;
  };
  '/api/v1/fields/{entity}': {
    get: Op<S['Field'][], { path: { entity: string } }>;
  };
  '/api/v1/schedules': {
    get: Op<List<S['Schedule']>, { query?: Page }>;
    post: Op<S['Schedule'], object, S['ScheduleInput']>;
  };
  '/api/v1/schedules/{id}': {
    get: Op<S['Schedule'], Id>;
    patch: Op<S['Schedule'], Edit, Partial<S['ScheduleInput']>>;
    delete: Op<void, Edit>;
  };
  '/api/v1/schedules/{id}/run': { post: Op<{ run_id: string }, Id> };
  '/api/v1/runs': {
    get: Op<
      List<S['RunRow']>,
      {
        query?: Page & {
          state?: string;
          workflow?: string;
          connection_id?: string;
          key?: string;
          error_class?: string;
          since?: string;
          until?: string;
        };
      }
    >;
  };
  '/api/v1/runs/{id}': { get: Op<S['Run'], Id> };
  '/api/v1/runs/{id}/retry': { post: Op<void, Id> };
  '/api/v1/runs/{id}/cancel': { post: Op<void, Id> };
  '/api/v1/runs/{id}/children': { get: Op<List<S['RunRow']>, Id & { query?: Page }> };
  '/api/v1/accounts': {
    get: Op<
      List<S['AccountRow']>,
      {
        query?: Page & {
          q?: string;
          industry?: string;
          tier?: string;
          type?: string;
          country?: string;
          connection_id?: string;
          updated_since?: string;
        };
      }
    >;
    post: Op<S['Entity'], object, { fields: Record<string, unknown> }>;
  };
  '/api/v1/accounts/{id}': {
    get: Op<S['Entity'], Id>;
    patch: Op<S['Entity'], Edit, { fields: Record<string, unknown> }>;
  };
  '/api/v1/accounts/{id}/provenance': { get: Op<S['Provenance'], Id> };
  '/api/v1/accounts/{id}/timeline': { get: Op<List<S['TimelineEntry']>, Id & { query?: Page }> };
  '/api/v1/contacts': {
    get: Op<
      List<S['ContactRow']>,
      { query?: Page & { q?: string; account_id?: string; connection_id?: string; updated_since?: string } }
    >;
    post: Op<S['Entity'], object, { fields: Record<string, unknown> }>;
  };
  '/api/v1/contacts/{id}': {
    get: Op<S['Entity'], Id>;
    patch: Op<S['Entity'], Edit, { fields: Record<string, unknown> }>;
  };
  '/api/v1/contacts/{id}/provenance': { get: Op<S['Provenance'], Id> };
  '/api/v1/contacts/{id}/timeline': { get: Op<List<S['TimelineEntry']>, Id & { query?: Page }> };
  '/api/v1/conflicts': {
    get: Op<
      List<S['Conflict']>,
      { query?: Page & { state?: string; entity?: string; connection_id?: string } }
    >;
  };
  '/api/v1/conflicts/{id}': { get: Op<S['Conflict'], Id> };
  '/api/v1/conflicts/{id}/resolve': {
    post: Op<
      S['Conflict'],
      Edit,
      { choice: 'core' | 'remote' | 'base' | 'value'; values?: Record<string, unknown>; note?: string }
    >;
  };
}

export interface components {
  schemas: {
    Session: {
      user: { id: string; email: string; name: string; role: string; must_change_password: boolean };
      tenant: { id: string; name: string; environment: string };
    };
    Overview: {
      sentence: string;
      connections: { total: number; healthy: number; attention: number };
      runs: { running: number; queued: number; failed_24h: number; succeeded_24h: number };
      records: { accounts: number; contacts: number };
      conflicts_open: number;
      writes: { pending: number; failed: number };
      oldest_pending_write_at: string | null;
      processes: number;
      flows: S['Flow'][];
      recent_runs: S['RunRow'][];
    };
    Flow: {
      connection_id: string;
      connection_name: string;
      system: string;
      stream: string;
      entity: string;
      direction: string;
      records: number;
      last_read_at: string | null;
      next_at: string | null;
      state: 'on_time' | 'late' | 'stopped' | 'never_run';
      sentence: string;
      pending_writes: number;
      conflicts: number;
      failures: number;
    };
    System: { id: string; title: string; auth: string; config_schema: unknown; write_batch: number };
    Connection: {
      id: string;
      system: string;
      name: string;
      state: 'new' | 'ok' | 'attention' | 'stopped';
      state_sentence: string;
      config: unknown;
      version: number;
      created_at: string;
      checked_at: string | null;
      usage: { used: number; limit: number } | null;
      streams: number;
      error: { kind: string; code: string | null; message: string; at: string } | null;
    };
    Check: {
      ok: boolean;
      took_ms: number;
      error: { kind: string; code: string | null; message: string; at: string } | null;
    };
    Stream: {
      name: string;
      label: string;
      key_field: string;
      can_create: boolean;
      can_update: boolean;
      can_delete: boolean;
      fields: { name: string; label: string; type: string; required?: boolean; writable?: boolean }[];
    };
    ConnectionStream: {
      stream: string;
      entity: string;
      enabled: boolean;
      mapping_id: string | null;
      mapping_version: number | null;
      phase: 'never' | 'full' | 'incremental';
      last_read_at: string | null;
      records: number;
      excluded: number;
      sentence: string;
      version: number;
    };
    MappingRow: {
      id: string;
      connection_id: string;
      stream: string;
      entity: string;
      version: number | null;
      draft: boolean;
      updated_at: string;
      updated_by: string | null;
      fields: number;
    };
    MappingProblem: { line: number; column: number; message: string; severity: string };
    MappingLine: {
      core: string;
      core_label: string;
      core_type: string;
      remote: string[];
      direction: string;
      policy: string;
      group: string | null;
      null: string;
      in: string | null;
      out: string | null;
    };
    Mapping: S['MappingRow'] & {
      text: string;
      published_text: string | null;
      problems: S['MappingProblem'][];
      rows: S['MappingLine'][];
    };
    MappingCheck: { problems: S['MappingProblem'][]; rows: S['MappingLine'][] };
    MappingVersion: {
      version: number;
      state: 'draft' | 'published' | 'superseded';
      created_at: string;
      created_by: string | null;
      fields: number;
    };
    Field: {
      name: string;
      label: string;
      type: string;
      group: string | null;
      required: boolean;
      custom: boolean;
      scale: number | null;
      max_length: number | null;
      choices: string[];
    };
    Schedule: {
      id: string;
      name: string;
      workflow: string;
      connection_id: string | null;
      stream: string | null;
      cron: string;
      time_zone: string;
      overlap: 'skip' | 'queue';
      catch_up: 'none' | 'one';
      paused: boolean;
      next: string[];
      last_at: string | null;
      last_run_id: string | null;
      version: number;
    };
    ScheduleInput: {
      name: string;
      workflow: string;
      connection_id?: string | null;
      stream?: string | null;
      cron: string;
      time_zone: string;
      overlap: 'skip' | 'queue';
      catch_up: 'none' | 'one';
      paused: boolean;
    };
    RunError: { class: string; message: string; who: 'wait' | 'tenant' | 'person' | 'us' };
    RunCounts: {
      read: number;
      created: number;
      updated: number;
      unchanged: number;
      deleted: number;
      conflicts: number;
      failed: number;
      written: number;
    };
    RunRow: {
      id: string;
      workflow: string;
      version: number;
      state: 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled' | 'parked' | 'partial';
      subject: string;
      connection_id: string | null;
      stream: string | null;
      key: string | null;
      trigger: string;
      attempt: number;
      created_at: string;
      started_at: string | null;
      finished_at: string | null;
      due_at: string | null;
      progress: { done: number; total: number | null; unit: string; detail?: unknown } | null;
      error: S['RunError'] | null;
      counts: S['RunCounts'] | null;
    };
    Attempt: {
      attempt: number;
      started_at: string;
      finished_at: string | null;
      error: { class: string; message: string } | null;
      next_at: string | null;
    };
    Step: {
      seq: number;
      name: string;
      key: string;
      kind: string;
      state: 'done' | 'failed' | 'running' | 'waiting';
      started_at: string;
      finished_at: string | null;
      took_ms: number | null;
      attempts: S['Attempt'][];
      output: unknown;
      truncated: boolean;
    };
    Run: S['RunRow'] & {
      input: unknown;
      output: unknown;
      parent_id: string | null;
      children: number;
      steps: S['Step'][];
    };
    Link: { connection_id: string; system: string; key: string };
    AccountRow: {
      id: string;
      version: number;
      name: string;
      industry: string | null;
      type: string | null;
      tier: string | null;
      phone: string | null;
      website: string | null;
      billing_city: string | null;
      billing_country: string | null;
      annual_revenue: string | null;
      csm_email: string | null;
      account_manager: string | null;
      updated_at: string;
      links: S['Link'][];
      conflicts: number;
      pending_writes: number;
    };
    ContactRow: {
      id: string;
      version: number;
      first_name: string | null;
      last_name: string | null;
      email: string | null;
      phone: string | null;
      title: string | null;
      department: string | null;
      account: { id: string; name: string } | null;
      is_primary: boolean | null;
      updated_at: string;
      links: S['Link'][];
      conflicts: number;
      pending_writes: number;
    };
    EntityLink: {
      connection_id: string;
      connection_name: string;
      system: string;
      stream: string;
      key: string;
      url: string | null;
      linked_at: string;
      method: string;
      seen_at: string | null;
      removed_at: string | null;
    };
    Entity: {
      id: string;
      version: number;
      fields: Record<string, unknown>;
      links: S['EntityLink'][];
      created_at: string;
      updated_at: string;
    };
    Origin: {
      kind: 'connection' | 'user' | 'rule';
      connection_id: string | null;
      user: string | null;
      run_id: string | null;
      mapping_version: number | null;
      at: string;
      rule: string | null;
      sentence: string;
    };
    Side: {
      connection_id: string;
      value: unknown;
      present: boolean;
      base: unknown;
      base_present: boolean;
      at: string | null;
      pending: boolean;
      write_state: null | 'pending' | 'sending' | 'failed' | 'unknown';
      error: string | null;
    };
    FieldProvenance: {
      name: string;
      label: string;
      type: string;
      group: string | null;
      value: unknown;
      origin: S['Origin'] | null;
      sides: S['Side'][];
      conflict_id: string | null;
      agrees: boolean;
    };
    Provenance: {
      connections: { id: string; name: string; system: string; key: string }[];
      fields: S['FieldProvenance'][];
    };
    TimelineEntry: {
      id: string;
      at: string;
      kind: string;
      title: string;
      who: string | null;
      connection_id: string | null;
      run_id: string | null;
      changes: { field: string; label: string; old: unknown; new: unknown }[];
    };
    Conflict: {
      id: string;
      version: number;
      entity: string;
      entity_id: string;
      entity_name: string;
      connection_id: string;
      connection_name: string;
      group: string | null;
      fields: { name: string; label: string; base: unknown; core: unknown; remote: unknown }[];
      kind: 'edit' | 'delete';
      opened_at: string;
      run_id: string | null;
      state: 'open' | 'resolved';
      resolution: { choice: string; by: string; at: string; note: string | null } | null;
    };
  };
}
