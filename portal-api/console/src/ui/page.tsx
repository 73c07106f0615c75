import { useRef } from 'react';
import { useArrival } from '#/lib/arrival';
import { useTitle } from '#/lib/title';

type PageProps = {
  title: string;
  /** Beside the title: a state, a count. */
  aside?: React.ReactNode;
  actions?: React.ReactNode;
  /** The way back up. */
  up?: React.ReactNode;
  /** The content fills what the window leaves and scrolls by itself: long lists. */
  fill?: boolean;
  children: React.ReactNode;
};

/** One screen: its title takes the focus when it opens, so that a screen reader starts there. */
export function Page({ title, aside, actions, up, fill = false, children }: PageProps) {
  const head = useRef<HTMLHeadingElement>(null);
  useTitle(title);
  useArrival(head);
  return (
    <div
      className={`mx-auto flex w-full max-w-440 flex-col gap-4 p-6 max-sm:p-4 ${fill ? 'h-full min-h-0' : ''}`}
    >
      <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2">
        <div className="min-w-0">
          {up && <div className="mb-0.5 text-xs">{up}</div>}
          <div className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-1">
            <h1
              ref={head}
              tabIndex={-1}
              className="min-w-0 text-xl font-semibold tracking-[-0.01em] break-words text-ink"
            >
              {title}
            </h1>
            {aside}
          </div>
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </div>
      {children}
    </div>
  );
}
