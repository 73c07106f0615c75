type PanelProps = {
  title?: string;
  /** Small things at the right of the title. */
  actions?: React.ReactNode;
  /** New data is on its way while the old one stays. */
  busy?: boolean;
  /** The content reaches the panel's edges: tables. */
  flush?: boolean;
  className?: string;
  children: React.ReactNode;
};

/** One layer on the page; panels are never put inside panels. */
export function Panel({ title, actions, busy = false, flush = false, className = '', children }: PanelProps) {
  return (
    <section
      aria-busy={busy || undefined}
      className={`relative min-w-0 overflow-hidden rounded-panel border border-line bg-surface ${className}`}
    >
      {busy && <ThinBar />}
      {(title || actions) && (
        <div className="flex min-h-12 flex-wrap items-center justify-between gap-x-4 gap-y-1 border-b border-line px-4 py-2">
          {title && <h2 className="text-lg font-semibold tracking-[-0.01em] text-ink">{title}</h2>}
          {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
        </div>
      )}
      <div className={flush ? '' : 'p-4'}>{children}</div>
    </section>
  );
}

export function ThinBar() {
  return (
    <div aria-hidden className="absolute inset-x-0 top-0 z-20 h-0.5 overflow-hidden">
      <div className="h-full w-1/4 animate-thin bg-run" />
    </div>
  );
}
