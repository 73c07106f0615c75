/** A form as a JSON Schema describes it, reduced to what the console draws. */
export type FormField = {
  /** The keys on the way to the value. */
  path: readonly string[];
  label: string;
  help?: string;
  required: boolean;
  secret: boolean;
  initial: unknown;
} & (
  | { kind: 'text'; long: boolean; format?: string }
  | { kind: 'number'; whole: boolean; least?: number; most?: number }
  | { kind: 'switch' }
  | { kind: 'choice'; choices: readonly string[] }
  | { kind: 'list' }
  | {
      kind: 'variant';
      tag: string;
      variants: readonly { value: string; help?: string; fields: readonly FormField[] }[];
    }
);

type Schema = Record<string, unknown>;

/** The fields of an object schema, in its order. What cannot be drawn is left out: the server's defaults hold there. */
export function formOf(schema: unknown): FormField[] {
  if (!isSchema(schema)) return [];
  return fieldsOf(schema, schema, [], new Set());
}

function fieldsOf(
  root: Schema,
  schema: Schema,
  path: readonly string[],
  leave: ReadonlySet<string>,
): FormField[] {
  const properties = isSchema(schema.properties) ? schema.properties : {};
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  return Object.entries(properties)
    .filter(([name]) => !leave.has(name))
    .flatMap(([name, property]) => fieldOf(root, property, [...path, name], required.has(name)));
}

function fieldOf(root: Schema, given: unknown, path: readonly string[], required: boolean): FormField[] {
  if (!isSchema(given)) return [];
  const { schema, optional } = resolve(root, given);
  const title = text(schema.title) ?? text(given.title);
  const common = {
    path,
    // A schema's title names a type (`Auth`) as often as a field; the key is what the person knows.
    label: title?.includes(' ') ? title : sentence(path.at(-1) ?? ''),
    help: plain(text(given.description) ?? text(schema.description)),
    required: required && !optional,
    secret: given.writeOnly === true || schema.writeOnly === true,
    initial: given.default ?? schema.default,
  };
  const variants = variantsOf(root, schema, path);
  if (variants) return [{ ...common, kind: 'variant', ...variants }];
  const choices = choicesOf(schema);
  if (choices) return [{ ...common, kind: 'choice', choices }];
  switch (typeOf(schema)) {
    case 'string':
      return [{ ...common, kind: 'text', long: isLong(schema, path), format: text(schema.format) }];
    case 'integer':
    case 'number':
      return [
        {
          ...common,
          kind: 'number',
          whole: typeOf(schema) === 'integer',
          least: number(schema.minimum),
          most: number(schema.maximum),
        },
      ];
    case 'boolean':
      return [{ ...common, kind: 'switch' }];
    case 'array':
      return [{ ...common, kind: 'list' }];
    case 'object':
      return fieldsOf(root, schema, path, new Set());
    default:
      return [];
  }
}

/** Follows `$ref`, and takes the one real part of «this or null». */
function resolve(root: Schema, schema: Schema): { schema: Schema; optional: boolean } {
  const reference = text(schema.$ref);
  if (reference?.startsWith('#/')) {
    let found: unknown = root;
    for (const key of reference.slice(2).split('/')) found = isSchema(found) ? found[key] : undefined;
    return isSchema(found) ? resolve(root, found) : { schema: {}, optional: false };
  }
  const parts = list(schema.anyOf) ?? list(schema.allOf);
  const real = parts?.filter((part) => part.type !== 'null');
  if (real?.length === 1 && real[0]) {
    const inner = resolve(root, real[0]);
    return { schema: inner.schema, optional: inner.optional || real.length !== parts?.length };
  }
  const nullable = Array.isArray(schema.type) && schema.type.includes('null');
  return { schema, optional: nullable };
}

/** Objects that are told apart by one constant: `{"kind": "jwt_bearer", …}`. */
function variantsOf(root: Schema, schema: Schema, path: readonly string[]) {
  const parts = list(schema.oneOf)?.map((part) => resolve(root, part).schema);
  const tag =
    parts?.[0] &&
    Object.entries(properties(parts[0])).find(([, value]) => constant(value) !== undefined)?.[0];
  if (!parts || !tag) return null;
  const variants = parts.flatMap((part) => {
    const value = constant(properties(part)[tag]);
    return value === undefined
      ? []
      : [{ value, help: plain(text(part.description)), fields: fieldsOf(root, part, path, new Set([tag])) }];
  });
  return { tag, variants };
}

function choicesOf(schema: Schema): string[] | null {
  if (Array.isArray(schema.enum)) return schema.enum.filter((value) => typeof value === 'string');
  const constants = list(schema.oneOf)?.map(constant);
  return constants?.every((value) => value !== undefined) ? constants : null;
}

function properties(schema: Schema): Schema {
  return isSchema(schema.properties) ? schema.properties : {};
}

function constant(schema: unknown): string | undefined {
  if (!isSchema(schema)) return undefined;
  if (typeof schema.const === 'string') return schema.const;
  return Array.isArray(schema.enum) && schema.enum.length === 1 ? text(schema.enum[0]) : undefined;
}

function typeOf(schema: Schema): unknown {
  return Array.isArray(schema.type) ? schema.type.find((type) => type !== 'null') : schema.type;
}

/** Keys in PEM form have line breaks, which a one-line field would drop. */
function isLong(schema: Schema, path: readonly string[]): boolean {
  return /PEM\b/.test(text(schema.description) ?? '') || /private_key|certificate/.test(path.at(-1) ?? '');
}

/** `client_id` → «Client id». */
export function sentence(key: string): string {
  const words = key
    .replaceAll('_', ' ')
    .replace(/\b(url|id|api)\b/g, (word) => (word === 'id' ? 'ID' : word.toUpperCase()));
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Descriptions are written for documentation, where backticks set code apart. */
function plain(description: string | undefined): string | undefined {
  return description?.replaceAll('`', '');
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): Schema[] | null {
  return Array.isArray(value) ? value.filter(isSchema) : null;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
