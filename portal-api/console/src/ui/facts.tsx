export type Fact = { label: string; value: React.ReactNode };

/** What matters about one thing, in a strip that wraps. */
export function Facts({ facts }: { facts: readonly (Fact | null | false)[] }) {
  return (
    <dl className="flex flex-wrap gap-x-8 gap-y-3">
      {facts
        .filter((fact) => fact !== null && fact !== false)
        .map((fact) => (
          <div key={fact.label} className="min-w-0">
            <dt className="text-xs text-ink-3">{fact.label}</dt>
            <dd className="numeric min-h-5 text-sm break-words text-ink">{fact.value}</dd>
          </div>
        ))}
    </dl>
  );
}
