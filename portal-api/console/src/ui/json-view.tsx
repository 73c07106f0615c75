/** Data as it is, indented. */
export function JsonView({ label, value }: { label: string; value: unknown }) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return (
    <pre
      role="region"
      aria-label={label}
      tabIndex={0}
      className="max-h-80 overflow-auto rounded-control border border-line bg-sunken p-3 font-mono text-xs text-ink"
    >
      {text}
    </pre>
  );
}
