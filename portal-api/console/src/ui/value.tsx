import { formatDecimal, formatInstant, formatUtc } from '#/lib/format';
import { useWords } from '#/lib/words';

type ValueProps = { value: unknown; type?: string /** Wrap instead of cutting. */; whole?: boolean };

/** A field's value as a person reads it. Nothing there is a dash, an empty text says so. */
export function Value({ value, type = '', whole = false }: ValueProps) {
  const t = useWords();
  if (value === null || value === undefined) {
    return (
      <span className="text-ink-3">
        <span aria-hidden>—</span>
        <span className="sr-only">{t('value.none')}</span>
      </span>
    );
  }
  if (value === '') return <span className="text-ink-3 italic">{t('value.empty')}</span>;
  if (typeof value === 'boolean') return <span>{t(value ? 'value.yes' : 'value.no')}</span>;
  const text = textOf(value, type);
  const title = isInstant(value, type) ? formatUtc(value) : text.length > 24 ? text : undefined;
  return (
    <span title={title} className={whole ? 'break-words whitespace-pre-wrap' : 'block truncate'}>
      {text}
    </span>
  );
}

export function textOf(value: unknown, type = ''): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map((one) => textOf(one)).join(', ');
  if (isInstant(value, type)) return formatInstant(value);
  if (isDecimal(type) && (typeof value === 'string' || typeof value === 'number'))
    return formatDecimal(String(value));
  if (typeof value === 'object') {
    return 'name' in value && typeof value.name === 'string' ? value.name : JSON.stringify(value);
  }
  return String(value);
}

function isDecimal(type: string): boolean {
  return ['currency', 'decimal', 'number', 'integer', 'int'].includes(type);
}

function isInstant(value: unknown, type: string): value is string {
  return ['instant', 'datetime', 'date_time', 'timestamp'].includes(type) && typeof value === 'string';
}
