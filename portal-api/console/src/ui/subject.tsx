const MARK = ' · ';

/**
 * What something is about, broad to narrow. Where it does not fit, the narrow end stays: it tells two rows apart.
 * A link around it needs its name as a label: names are put together without the spaces at the edges of the parts.
 */
export function Subject({ children: text }: { children: string }) {
  const at = text.lastIndexOf(MARK);
  if (at < 0) return text;
  return (
    <span className="inline-flex min-w-0 max-w-full align-bottom">
      <span className="truncate">{text.slice(0, at)}</span>
      <span className="shrink-0 whitespace-pre">{text.slice(at)}</span>
    </span>
  );
}
