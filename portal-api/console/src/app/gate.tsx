import { useRef } from 'react';
import { useArrival } from '#/lib/arrival';
import { useTitle } from '#/lib/title';
import { ThemeSwitch } from '#/ui/theme-switch';
import { Mark } from './mark';

/** The pages before the console: one column, one task. */
export function Gate({
  title,
  text,
  children,
}: {
  title: string;
  text?: string;
  children?: React.ReactNode;
}) {
  const head = useRef<HTMLHeadingElement>(null);
  useTitle(title);
  useArrival(head);
  return (
    <div className="flex min-h-full flex-col">
      <header className="flex h-12 items-center justify-between px-4">
        <span className="flex items-center gap-2 text-base font-semibold text-ink">
          <Mark /> Syncline
        </span>
        <ThemeSwitch />
      </header>
      <main className="mx-auto flex w-full max-w-90 flex-1 flex-col gap-5 px-4 pt-[14vh] pb-8">
        <div className="flex flex-col gap-1">
          <h1 ref={head} tabIndex={-1} className="text-xl font-semibold tracking-[-0.01em] text-ink">
            {title}
          </h1>
          {text && <p className="text-sm text-ink-2">{text}</p>}
        </div>
        {children}
      </main>
    </div>
  );
}
