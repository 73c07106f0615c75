import { Link, type LinkProps } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';

type SubNavProps = {
  label: string;
  parts: readonly { to: NonNullable<LinkProps['to']>; label: string }[];
};

/** Pages that belong together, under their common title: links, not tabs, as each has its own address. */
export function SubNav({ label, parts }: SubNavProps) {
  const nav = useRef<HTMLElement>(null);
  // Where they do not all fit, the page one is on is in sight.
  useEffect(() => {
    const here = nav.current?.querySelector('[aria-current=page]');
    here?.scrollIntoView?.({ inline: 'center', block: 'nearest' });
  }, []);
  return (
    <nav ref={nav} aria-label={label} className="flex gap-4 overflow-x-auto border-b border-line">
      {parts.map((part) => (
        <Link
          key={part.to}
          to={part.to}
          activeOptions={{ exact: true, includeSearch: false }}
          className="-mb-px flex h-9 shrink-0 items-center border-b-2 border-transparent text-sm font-medium whitespace-nowrap text-ink-2 no-underline -outline-offset-2 hover:text-ink touch aria-[current=page]:border-accent aria-[current=page]:text-ink"
        >
          {part.label}
        </Link>
      ))}
    </nav>
  );
}
