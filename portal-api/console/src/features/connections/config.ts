import type { FormField } from './schema';

export type Config = Record<string, unknown>;

export function valueAt(config: Config, path: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of path) value = isConfig(value) ? value[key] : undefined;
  return value;
}

/** The configuration with one value changed; nothing of the old one is touched. */
export function withValue(config: Config, path: readonly string[], value: unknown): Config {
  const [key, ...rest] = path;
  if (key === undefined) return config;
  const inner = config[key];
  return {
    ...config,
    [key]: rest.length === 0 ? value : withValue(isConfig(inner) ? inner : {}, rest, value),
  };
}

/** What a new connection starts with: the schema's defaults, and the first variant where one must be chosen. */
export function initialOf(fields: readonly FormField[]): Config {
  let config: Config = {};
  for (const field of fields) {
    const first = field.kind === 'variant' ? field.variants[0] : undefined;
    if (field.kind === 'variant' && first) {
      config = withValue(config, field.path, {
        [field.tag]: first.value,
        ...initialAt(first.fields, field.path),
      });
    } else if (field.initial !== undefined) {
      config = withValue(config, field.path, field.initial);
    }
  }
  return config;
}

/** The defaults of a variant's own fields, seen from inside it. */
export function initialAt(fields: readonly FormField[], path: readonly string[]): Config {
  const inner = valueAt(initialOf(fields), path);
  return isConfig(inner) ? inner : {};
}

/**
 * What is sent: texts that were left empty are absent, so that the server's defaults hold for them and, in an edit,
 * a secret keeps its old value. An empty optional text that had a value is null: it was emptied on purpose.
 */
export function toSend(config: Config, old: Config | null): Config {
  const sent: Config = {};
  for (const [key, value] of Object.entries(config)) {
    const before = old?.[key];
    if (isConfig(value)) sent[key] = toSend(value, isConfig(before) ? before : null);
    else if (value === '' || value === undefined) {
      if (before !== undefined && before !== null && before !== '') sent[key] = null;
    } else sent[key] = value;
  }
  return sent;
}

function isConfig(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
