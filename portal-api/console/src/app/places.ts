import {
  Building2,
  Cable,
  CalendarClock,
  Fingerprint,
  GitCompareArrows,
  House,
  KeyRound,
  Landmark,
  Layers,
  LayoutDashboard,
  type LucideIcon,
  Route,
  ScrollText,
  ShieldCheck,
  UserCog,
  Users,
  Waypoints,
} from 'lucide-react';
import { PLATFORM, useMay } from '#/features/session/queries';
import type { WordKey } from '#/lib/words';

export type Place = {
  to:
    | '/'
    | '/accounts'
    | '/contacts'
    | '/connections'
    | '/mappings'
    | '/schedules'
    | '/runs'
    | '/conflicts'
    | '/users'
    | '/keys'
    | '/audit'
    | '/security-rules'
    | '/usage'
    | '/tenants'
    | '/erasures'
    | '/organisation';
  /** Other pages that stand under this one. */
  also?: readonly string[];
  /** Shown to those with this permission only. */
  needs: string;
  word: WordKey;
  icon: LucideIcon;
  /** The letter after `G`. */
  key: string;
};

/** Where the console can go, in the order of the side bar; a new group begins at each inner list. */
const PLACES: readonly (readonly Place[])[] = [
  [{ to: '/', needs: 'hub.read', word: 'place.overview', icon: LayoutDashboard, key: 'o' }],
  [
    { to: '/accounts', needs: 'records.read', word: 'place.accounts', icon: Building2, key: 'a' },
    { to: '/contacts', needs: 'records.read', word: 'place.contacts', icon: Users, key: 'c' },
    {
      to: '/conflicts',
      also: ['/matches'],
      needs: 'conflicts.read',
      word: 'place.conflicts',
      icon: GitCompareArrows,
      key: 'x',
    },
  ],
  [
    { to: '/runs', needs: 'runs.read', word: 'place.runs', icon: Route, key: 'r' },
    { to: '/schedules', needs: 'schedules.read', word: 'place.schedules', icon: CalendarClock, key: 's' },
    { to: '/mappings', needs: 'mappings.read', word: 'place.mappings', icon: Waypoints, key: 'm' },
    { to: '/connections', needs: 'connections.read', word: 'place.connections', icon: Cable, key: 'n' },
  ],
  [
    {
      to: '/users',
      also: ['/groups', '/roles', '/teams', '/partners', '/assignments'],
      needs: 'users.read',
      word: 'place.users',
      icon: UserCog,
      key: 'u',
    },
    {
      to: '/erasures',
      also: ['/subject-exports', '/personal-data', '/retention'],
      needs: 'privacy.manage',
      word: 'place.privacy',
      icon: Fingerprint,
      key: 'e',
    },
    { to: '/keys', needs: 'keys.manage', word: 'place.keys', icon: KeyRound, key: 'k' },
    { to: '/audit', needs: 'audit.read', word: 'place.audit', icon: ScrollText, key: 't' },
    {
      to: '/security-rules',
      needs: 'hub.configure',
      word: 'place.security_rules',
      icon: ShieldCheck,
      key: 'p',
    },
    {
      to: '/usage',
      also: ['/identity-providers', '/domains', '/brands'],
      needs: 'hub.read',
      word: 'place.organisation',
      icon: Landmark,
      key: 'i',
    },
    { to: '/tenants', needs: PLATFORM, word: 'place.tenants', icon: Layers, key: 'h' },
  ],
];

/** The first page of those who do not see the hub as a whole. */
const HOME: Place = { to: '/', needs: 'records.read', word: 'place.home', icon: House, key: 'o' };

/** A customer's own people and groups. The tenant's people have a page of another kind for theirs. */
const ORGANISATION: Place = {
  to: '/organisation',
  needs: 'organisation.manage',
  word: 'place.organisation',
  icon: Landmark,
  key: 'i',
};

/** What whoever is signed in may go to, in the groups of the side bar. */
export function usePlaces(): readonly (readonly Place[])[] {
  const may = useMay();
  const first = may('hub.read') ? [] : [[HOME, ORGANISATION]];
  const groups = [...first, ...PLACES].map((group) => group.filter((place) => may(place.needs)));
  return groups.filter((group) => group.length > 0);
}

/** The phone's bottom bar has room for these and «More». */
export const PHONE_PLACES: readonly Place['to'][] = ['/', '/accounts', '/runs', '/conflicts'];
