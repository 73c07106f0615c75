import { Link } from '@tanstack/react-router';
import { Ellipsis } from 'lucide-react';
import { useState } from 'react';
import { useWords } from '#/lib/words';
import { Dialog } from '#/ui/dialog';
import { PHONE_PLACES, type Place, usePlaces } from './places';

const CELL =
  'flex min-h-13 flex-1 flex-col items-center justify-center gap-0.5 text-2xs font-medium text-ink-2 no-underline aria-[current=page]:text-accent-ink';

export function PhoneBar() {
  const t = useWords();
  const [more, setMore] = useState(false);
  const places = usePlaces().flat();
  const shown = places.filter((place) => PHONE_PLACES.includes(place.to));
  const rest = places.filter((place) => !PHONE_PLACES.includes(place.to));
  return (
    <nav
      aria-label={t('shell.pages')}
      className="flex shrink-0 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)]"
    >
      {shown.map((place) => (
        <PhonePlace key={place.to} place={place} />
      ))}
      <button type="button" className={CELL} onClick={() => setMore(true)}>
        <Ellipsis aria-hidden size={20} strokeWidth={1.75} />
        {t('shell.more')}
      </button>
      <Dialog sheet title={t('shell.more')} isOpen={more} onClose={() => setMore(false)}>
        <ul className="flex flex-col">
          {rest.map((place) => (
            <li key={place.to}>
              <Link
                to={place.to}
                onClick={() => setMore(false)}
                className="flex min-h-11 items-center gap-3 rounded-control px-2 text-base text-ink no-underline hover:bg-hover"
              >
                <place.icon aria-hidden size={20} strokeWidth={1.75} className="text-ink-2" />
                {t(place.word)}
              </Link>
            </li>
          ))}
        </ul>
      </Dialog>
    </nav>
  );
}

function PhonePlace({ place }: { place: Place }) {
  const t = useWords();
  return (
    <Link to={place.to} activeOptions={{ exact: place.to === '/', includeSearch: false }} className={CELL}>
      <place.icon aria-hidden size={20} strokeWidth={1.75} />
      {t(place.word)}
    </Link>
  );
}
