import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { accountNamesQuery, contactNamesQuery } from '#/features/records/queries';
import { useMay } from '#/features/session/queries';
import { setTheme } from '#/lib/theme';
import '#/features/teams/words';
import '#/features/privacy/words';
import { useWords } from '#/lib/words';
import { type Command, CommandPalette } from '#/ui/command-palette';
import { usePlaces } from './places';

type PaletteProps = { isOpen: boolean; onClose: () => void; onKeys: () => void };

/** Pages, actions, a run or record by its id, accounts and contacts by name. */
export function Palette({ isOpen, onClose, onKeys }: PaletteProps) {
  const t = useWords();
  const navigate = useNavigate();
  const places = usePlaces().flat();
  const may = useMay();
  const [typed, setTyped] = useState('');
  const asked = useDeferredValue(typed.trim());
  const search = isOpen && asked.length >= 2;
  const accounts = useQuery({ ...accountNamesQuery(asked), enabled: search });
  const contacts = useQuery({ ...contactNamesQuery(asked), enabled: search });

  const fixed: Command[] = [
    ...places.map((place) => ({
      id: place.to,
      label: t(place.word),
      hint: t('palette.page'),
      keys: `G ${place.key.toUpperCase()}`,
      run: () => void navigate({ to: place.to }),
    })),
    ...UNDER.filter((one) => may(one.needs)).map(({ to, word, hint }) => ({
      id: to,
      label: t(word),
      hint: t(hint),
      run: () => void navigate({ to }),
    })),
    ...(may('runs.read')
      ? [
          {
            id: 'failed-runs',
            label: t('palette.failed_runs'),
            hint: t('palette.page'),
            run: () => void navigate({ to: '/runs', search: { state: 'failed' } }),
          },
        ]
      : []),
    { id: 'theme-light', label: t('palette.light'), hint: t('palette.action'), run: () => setTheme('light') },
    { id: 'theme-dark', label: t('palette.dark'), hint: t('palette.action'), run: () => setTheme('dark') },
    { id: 'keys', label: t('keys.title'), hint: t('palette.action'), keys: '?', run: onKeys },
  ];
  const wanted = typed.trim().toLowerCase();
  const commands = [
    ...byId(typed.trim(), (to, label) => ({
      id: `id-${label}`,
      label,
      hint: t('palette.by_id'),
      run: () => void navigate({ to }),
    })),
    ...fixed.filter((command) => wanted === '' || isLike(command.label.toLowerCase(), wanted)),
    ...(search ? (accounts.data ?? []) : []).map((account) => ({
      id: account.id,
      label: account.name,
      hint: t('palette.account'),
      run: () => void navigate({ to: '/accounts/$id', params: { id: account.id } }),
    })),
    ...(search ? (contacts.data ?? []) : []).map((contact) => ({
      id: contact.id,
      label: contact.name,
      hint: t('palette.contact'),
      run: () => void navigate({ to: '/contacts/$id', params: { id: contact.id } }),
    })),
  ];
  return (
    <CommandPalette
      isOpen={isOpen}
      onClose={() => {
        setTyped('');
        onClose();
      }}
      typed={typed}
      onType={setTyped}
      commands={commands}
    />
  );
}

/** Pages that have no place of their own in the side bar, and what one does there. */
const UNDER = [
  { to: '/connections/new', needs: 'connections.manage', word: 'connections.add', hint: 'palette.action' },
  { to: '/schedules/new', needs: 'schedules.manage', word: 'schedules.add', hint: 'palette.action' },
  { to: '/users/new', needs: 'users.manage', word: 'users.invite', hint: 'palette.action' },
  { to: '/groups', needs: 'users.read', word: 'groups.title', hint: 'palette.page' },
  { to: '/groups/new', needs: 'users.manage', word: 'groups.add', hint: 'palette.action' },
  { to: '/roles', needs: 'users.read', word: 'roles.title', hint: 'palette.page' },
  { to: '/teams', needs: 'teams.read', word: 'teams.title', hint: 'palette.page' },
  { to: '/teams/new', needs: 'teams.manage', word: 'teams.add', hint: 'palette.action' },
  { to: '/partners', needs: 'teams.read', word: 'partners.title', hint: 'palette.page' },
  { to: '/assignments', needs: 'teams.manage', word: 'transfer.title', hint: 'palette.action' },
  { to: '/erasures/new', needs: 'privacy.manage', word: 'erasures.add', hint: 'palette.action' },
  { to: '/subject-exports', needs: 'privacy.manage', word: 'exports.title', hint: 'palette.page' },
  { to: '/retention', needs: 'hub.configure', word: 'retention.title', hint: 'palette.page' },
  { to: '/keys/new', needs: 'keys.manage', word: 'keys_page.add', hint: 'palette.action' },
  { to: '/identity-providers', needs: 'hub.configure', word: 'providers.title', hint: 'palette.page' },
  { to: '/identity-providers/new', needs: 'hub.configure', word: 'providers.add', hint: 'palette.action' },
  { to: '/domains', needs: 'hub.configure', word: 'domains.title', hint: 'palette.page' },
  { to: '/brands', needs: 'hub.read', word: 'brands.title', hint: 'palette.page' },
] as const;

const PAGES: Record<string, string> = {
  run: '/runs',
  acc: '/accounts',
  ctc: '/contacts',
  con: '/connections',
  map: '/mappings',
  sch: '/schedules',
  usr: '/users',
  grp: '/groups',
  key: '/keys',
  idp: '/identity-providers',
  dom: '/domains',
  brd: '/brands',
  tnt: '/tenants',
  tea: '/teams',
  ptn: '/partners',
  ers: '/erasures',
};

/** An id names its own page. */
function byId(typed: string, command: (to: string, label: string) => Command): Command[] {
  const match = /^([a-z]{3})_[0-9a-f]{32}$/.exec(typed);
  const page = match?.[1] && PAGES[match[1]];
  return page ? [command(`${page}/${typed}`, typed)] : [];
}

/** The letters come in this order, not always side by side. */
function isLike(label: string, typed: string): boolean {
  let from = 0;
  for (const letter of typed) {
    from = label.indexOf(letter, from) + 1;
    if (from === 0) return false;
  }
  return true;
}
