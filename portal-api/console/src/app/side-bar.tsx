import { Link, useLocation } from '@tanstack/react-router';
import { useMedia } from '#/lib/media';
import { useWords } from '#/lib/words';
import { useConflictCount } from './counts';
import { usePlaces } from './places';

/** 220 px with words, folding to 56 px of icons in narrow windows. */
export function SideBar() {
  const t = useWords();
  const folded = useMedia('(max-width: 1099.98px)');
  const conflicts = useConflictCount();
  const { pathname } = useLocation();
  return (
    <nav
      aria-label={t('shell.pages')}
      className={`flex shrink-0 flex-col gap-3 overflow-y-auto border-r border-line bg-surface px-2 py-3 ${folded ? 'w-14' : 'w-55'}`}
    >
      {usePlaces().map((group, at) => (
        <ul
          key={group[0]?.to}
          className={`flex flex-col gap-0.5 ${at > 0 ? 'border-t border-line pt-3' : ''}`}
        >
          {group.map((place) => {
            const isUnder = place.also?.some((path) => pathname.startsWith(path));
            const count = place.to === '/conflicts' ? conflicts : 0;
            return (
              <li key={place.to}>
                <Link
                  to={place.to}
                  activeOptions={{ exact: place.to === '/', includeSearch: false }}
                  aria-current={isUnder ? 'page' : undefined}
                  title={folded ? t(place.word) : undefined}
                  className="relative flex h-8 items-center gap-2.5 rounded-control px-2.5 text-sm font-medium text-ink-2 no-underline hover:bg-hover hover:text-ink touch aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent-ink"
                >
                  <place.icon aria-hidden size={18} strokeWidth={1.75} className="shrink-0" />
                  <span className={folded ? 'sr-only' : 'min-w-0 flex-1 truncate'}>{t(place.word)}</span>
                  {count > 0 && (
                    <span
                      className={
                        folded
                          ? 'absolute top-1 right-1 size-2 rounded-full bg-hold'
                          : 'numeric rounded-full bg-hold-soft px-1.5 text-xs text-hold-ink'
                      }
                    >
                      <span className={folded ? 'sr-only' : ''}>{count}</span>
                    </span>
                  )}
                </Link>
              </li>
            );
          })}
        </ul>
      ))}
    </nav>
  );
}
