import { useQueryClient } from '@tanstack/react-query';
import { Outlet, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import { listen } from '#/api/live';
import type { Session } from '#/api/types';
import { useKeys } from '#/lib/keys';
import { usePhone } from '#/lib/media';
import { useWords } from '#/lib/words';
import { Toasts } from '#/ui/toast';
import { LineBanner } from './line-banner';
import { PhoneBar } from './phone-bar';
import { usePlaces } from './places';
import { SideBar } from './side-bar';
import { TopBar } from './top-bar';

// Both are opened by a key or a click, so they come when they are wanted.
const Palette = lazy(async () => ({ default: (await import('./palette')).Palette }));
const KeySheet = lazy(async () => ({ default: (await import('./key-sheet')).KeySheet }));

/** What stands around every page once somebody is signed in. */
export function Shell({ session }: { session: Session }) {
  const t = useWords();
  const phone = usePhone();
  const navigate = useNavigate();
  const places = usePlaces().flat();
  const client = useQueryClient();
  const [palette, setPalette] = useState(false);
  const [keys, setKeys] = useState(false);
  // Live changes are of the whole hub: who sees a part of it asks anew when they come back to the page.
  const hears = session.permissions.includes('hub.read');
  useEffect(() => (hears ? listen(client) : undefined), [client, hears]);
  useKeys({
    ...Object.fromEntries(places.map((place) => [`g ${place.key}`, () => void navigate({ to: place.to })])),
    '?': () => setKeys(true),
    '/': () => document.querySelector<HTMLElement>('[data-search]')?.focus(),
  });
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setPalette((open) => !open);
    }
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return (
    <div className="flex h-dvh flex-col">
      <button
        type="button"
        onClick={() => document.getElementById('content')?.focus()}
        className="sr-only rounded-control bg-raised px-3 py-2 text-sm text-ink shadow-float focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50"
      >
        {t('shell.skip')}
      </button>
      <TopBar session={session} onPalette={() => setPalette(true)} onKeys={() => setKeys(true)} />
      <div className="flex min-h-0 flex-1">
        {!phone && <SideBar />}
        <main id="content" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
          <LineBanner />
          <div className="relative min-h-0 flex-1 overflow-auto">
            <Outlet />
          </div>
        </main>
      </div>
      {phone && <PhoneBar />}
      <Suspense>
        {palette && <Palette isOpen onClose={() => setPalette(false)} onKeys={() => setKeys(true)} />}
        {keys && <KeySheet isOpen onClose={() => setKeys(false)} />}
      </Suspense>
      <Toasts />
    </div>
  );
}
