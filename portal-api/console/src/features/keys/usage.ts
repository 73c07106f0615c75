import type { KeyUsage } from '#/api/types';

export type DayOfCalls = { day: string; calls: number; refused: number };
export type RouteOfCalls = { operation: string; calls: number; refused: number; last: string };

/** Calls by day, without gaps: as many days as asked for, the last of them `today`. */
export function byDay(usage: readonly KeyUsage[], today: string, days: number): DayOfCalls[] {
  const last = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: days }, (_, at) => {
    const day = new Date(last - (days - 1 - at) * 86_400_000).toISOString().slice(0, 10);
    const rows = usage.filter((row) => row.day === day);
    return { day, calls: sum(rows, 'calls'), refused: sum(rows, 'refused') };
  });
}

/** Calls by operation, the most called first. */
export function byRoute(usage: readonly KeyUsage[]): RouteOfCalls[] {
  const operations = [...new Set(usage.map((row) => row.operation))];
  return operations
    .map((operation) => {
      const rows = usage.filter((row) => row.operation === operation);
      const last = rows.reduce((latest, row) => (row.day > latest ? row.day : latest), '');
      return { operation, calls: sum(rows, 'calls'), refused: sum(rows, 'refused'), last };
    })
    .sort((one, other) => other.calls - one.calls || one.operation.localeCompare(other.operation));
}

function sum(rows: readonly KeyUsage[], what: 'calls' | 'refused'): number {
  return rows.reduce((total, row) => total + row[what], 0);
}
