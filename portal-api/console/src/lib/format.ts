const language = globalThis.navigator?.language ?? 'en';

const numberFormat = new Intl.NumberFormat(language);
const dateTime = new Intl.DateTimeFormat(language, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const short = new Intl.DateTimeFormat(language, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});
const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

export function formatNumber(value: number): string {
  return numberFormat.format(value);
}

/** A decimal that came as a string, with the digits it came with: no rounding on the way through a float. */
export function formatDecimal(value: string): string {
  const match = /^(-?)(\d+)(\.\d+)?$/.exec(value);
  if (!match) return value;
  const [, sign = '', whole = '', rest = ''] = match;
  return `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, ' ')}${rest}`;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** 0 B, 12.3 kB, 4 MB: steps of a thousand, one digit after the point at most. */
export function formatBytes(bytes: number): string {
  // By the digits that will be shown: 999 999 is 1 MB, not 1 000 kB.
  let at = 0;
  let size = bytes;
  while (Math.round(size * 10) / 10 >= 1_000 && at < BYTE_UNITS.length - 1) {
    size /= 1_000;
    at += 1;
  }
  const digits = at === 0 ? 0 : 1;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(size)} ${BYTE_UNITS[at]}`;
}

export function formatInstant(at: string): string {
  return dateTime.format(new Date(at));
}

export function formatShort(at: string): string {
  return short.format(new Date(at));
}

export function formatClock(at: number): string {
  return clock.format(new Date(at));
}

/** The instant in UTC to the second, for hovering. */
export function formatUtc(at: string): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The instant in a named zone, for schedules that live in another one than the viewer. */
export function formatIn(at: string, timeZone: string): string {
  return new Intl.DateTimeFormat(language, {
    weekday: 'short',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZone,
  }).format(new Date(at));
}

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
];

export function formatAge(at: string, now = Date.now()): string {
  const distance = new Date(at).getTime() - now;
  for (const [unit, size] of UNITS) {
    if (Math.abs(distance) >= size) return relative.format(Math.trunc(distance / size), unit);
  }
  return relative.format(0, 'second');
}

/** 840 ms, 12.4 s, 3 min 05 s, 2 h 07 min. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const pad = (value: number) => String(value).padStart(2, '0');
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${pad(Math.floor((ms % 60_000) / 1_000))} s`;
  return `${Math.floor(ms / 3_600_000)} h ${pad(Math.floor((ms % 3_600_000) / 60_000))} min`;
}
