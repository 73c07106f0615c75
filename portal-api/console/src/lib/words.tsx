import { createIntl, type IntlShape, type PrimitiveType, RawIntlProvider, useIntl } from 'react-intl';
import en from '#/words/en.json';

export type WordKey = keyof typeof en;
export type Words = (key: WordKey, values?: Record<string, PrimitiveType>) => string;

export const intl: IntlShape = createIntl({ locale: 'en', messages: en });

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
  return key in en ? t(key as WordKey) : otherwise;
}
