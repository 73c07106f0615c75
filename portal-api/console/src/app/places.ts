import {
  Building2,
  Cable,
  CalendarClock,
  GitCompareArrows,
  LayoutDashboard,
  type LucideIcon,
  Route,
  Users,
  Waypoints,
} from 'lucide-react';
import type { WordKey } from '#/lib/words';

export type Place = {
  to: '/' | '/accounts' | '/contacts' | '/connections' | '/mappings' | '/schedules' | '/runs' | '/conflicts';
  word: WordKey;
  icon: LucideIcon;
  /** The letter after `G`. */
  key: string;
};

/** Where the console can go, in the order of the side bar; a new group begins at each inner list. */
export const PLACES: readonly (readonly Place[])[] = [
  [{ to: '/', word: 'place.overview', icon: LayoutDashboard, key: 'o' }],
  [
    { to: '/accounts', word: 'place.accounts', icon: Building2, key: 'a' },
    { to: '/contacts', word: 'place.contacts', icon: Users, key: 'c' },
    { to: '/conflicts', word: 'place.conflicts', icon: GitCompareArrows, key: 'x' },
  ],
  [
    { to: '/runs', word: 'place.runs', icon: Route, key: 'r' },
    { to: '/schedules', word: 'place.schedules', icon: CalendarClock, key: 's' },
    { to: '/mappings', word: 'place.mappings', icon: Waypoints, key: 'm' },
    { to: '/connections', word: 'place.connections', icon: Cable, key: 'n' },
  ],
];

export const ALL_PLACES: readonly Place[] = PLACES.flat();
/** The phone's bottom bar has room for these and «More». */
export const PHONE_PLACES: readonly Place['to'][] = ['/', '/accounts', '/runs', '/conflicts'];
