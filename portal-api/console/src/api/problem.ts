export type FieldError = { pointer: string; message: string; line?: number | null; column?: number | null };

/** What the server said (RFC 9457), or what kept it from saying anything. */
export class Problem extends Error {
  readonly slug: string;
  readonly status: number;
  readonly title: string;
  /** The request's id, for the log. */
  readonly instance: string | null;
  readonly errors: FieldError[];
  readonly body: Readonly<Record<string, unknown>>;
  readonly #fields = new Map<string, Readonly<Record<string, string>>>();

  constructor(status: number, body: Record<string, unknown>) {
    const title = text(body.title) ?? `HTTP ${status}`;
    super(text(body.detail) ?? title);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
    this.slug = text(body.type)?.split('/').pop() ?? 'unknown';
    this.instance = text(body.instance);
    this.errors = Array.isArray(body.errors) ? body.errors.filter(isFieldError) : [];
    this.body = body;
  }

  /** The request never got an answer: no network, or nothing listens there. */
  static unreachable(cause: unknown): Problem {
    const problem = new Problem(0, { type: 'unreachable', title: 'No answer from the server' });
    problem.cause = cause;
    return problem;
  }

  /**
   * The messages by form field: `/config/client_id` becomes `config.client_id`.
   *
   * Always the same object: React Aria takes another one for another answer, says it again of a field that was
   * corrected since, and keeps the form from being sent.
   */
  byField(prefix = ''): Readonly<Record<string, string>> {
    const made = this.#fields.get(prefix);
    if (made) return made;
    const found: Record<string, string> = {};
    for (const error of this.errors) {
      const name = error.pointer.replace(/^#?\//, '').replaceAll('/', '.');
      if (name.startsWith(prefix)) found[name.slice(prefix.length)] = error.message;
    }
    this.#fields.set(prefix, found);
    return found;
  }
}

export function toProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, { type: 'console', title: String(error) });
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function isFieldError(value: unknown): value is FieldError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pointer' in value &&
    typeof value.pointer === 'string' &&
    'message' in value &&
    typeof value.message === 'string'
  );
}
