type ShareBarProps = { label: string; share: number; level?: 'fine' | 'tight' | 'full'; wide?: boolean };

const TONE = { fine: 'bg-run', tight: 'bg-warn', full: 'bg-bad' } as const;

/** How much of a limit is used. The figures stand beside it. */
export function ShareBar({ label, share, level = 'fine', wide = false }: ShareBarProps) {
  return (
    <span
      role="img"
      aria-label={label}
      className={`block h-1.5 overflow-hidden rounded-full bg-hover ${wide ? 'w-full' : 'w-20 shrink-0'}`}
    >
      <span
        className={`block h-full ${TONE[level]}`}
        style={{ width: `${Math.min(100, Math.max(0, share * 100))}%` }}
      />
    </span>
  );
}
