import { createIntl, type IntlShape, type PrimitiveType, RawIntlProvider, useIntl } from 'react-intl';
import type conflicts from '#/words/conflicts.json';
import en from '#/words/en.json';
import type home from '#/words/home.json';
import type mappings from '#/words/mappings.json';
import type matches from '#/words/matches.json';
import type organisation from '#/words/organisation.json';
import type own from '#/words/own-organisation.json';
import type people from '#/words/people.json';
import type privacy from '#/words/privacy.json';
import type records from '#/words/records.json';
import type schedules from '#/words/schedules.json';
import type security from '#/words/security.json';
import type stepUp from '#/words/step_up.json';
import type teams from '#/words/teams.json';
import type deletion from '#/words/tenant-deletion.json';

type More = typeof conflicts &
  typeof deletion &
  typeof home &
  typeof mappings &
  typeof matches &
  typeof organisation &
  typeof own &
  typeof people &
  typeof privacy &
  typeof records &
  typeof schedules &
  typeof security &
  typeof stepUp &
  typeof teams;
export type WordKey = keyof typeof en | keyof More;
export type Words = (key: WordKey, values?: Record<string, PrimitiveType>) => string;

const messages: Record<string, string> = { ...en };

export const intl: IntlShape = createIntl({ locale: 'en', messages });

/** Words of pages that few people open: they come with the first of these pages, not with the frame. */
export function addWords(more: Record<string, string>) {
  Object.assign(messages, more);
}

export const words: Words = (key, values) => intl.formatMessage({ id: key }, values);

export function WordsProvider({ children }: { children: React.ReactNode }) {
  return <RawIntlProvider value={intl}>{children}</RawIntlProvider>;
}

/** The words of the page, by key. */
export function useWords(): Words {
  const shape = useIntl();
  return (key, values) => shape.formatMessage({ id: key }, values);
}

/** The word for a value the server may one day extend: the value itself when there is none. */
export function wordFor(t: Words, key: string, otherwise: string): string {
  return key in messages ? t(key as WordKey) : otherwise;
}
