import { useEffect, useState } from 'react';

/** Blocks in the shape of what is coming; nothing for the first 150 ms, so that quick answers do not flicker. */
export function Skeleton({ rows = 6, label }: { rows?: number; label: string }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" aria-label={label} className="min-h-24">
      {shown &&
        Array.from({ length: rows }, (_, at) => at).map((row) => (
          <div key={row} className="flex h-10 items-center gap-4 border-b border-line px-4 last:border-0">
            <div
              className={`h-3 rounded-tag bg-hover ${row % 3 === 0 ? 'w-1/4' : row % 3 === 1 ? 'w-1/3' : 'w-1/5'}`}
            />
            <div className="h-3 w-1/6 rounded-tag bg-hover" />
            <div className="ml-auto h-3 w-16 rounded-tag bg-hover" />
          </div>
        ))}
    </div>
  );
}
