import { useSyncExternalStore } from 'react';
import { keep, kept } from './kept';

export type ThemeChoice = 'system' | 'light' | 'dark';

const dark = globalThis.matchMedia?.('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();
let choice: ThemeChoice = kept('theme', ['system', 'light', 'dark'], 'system');

function apply() {
  const theme = choice === 'system' ? (dark?.matches ? 'dark' : 'light') : choice;
  document.documentElement.dataset.theme = theme;
}

/** Called once before the first paint. */
export function startTheme() {
  apply();
  dark?.addEventListener('change', apply);
}

export function setTheme(next: ThemeChoice) {
  choice = next;
  keep('theme', next);
  apply();
  for (const tell of listeners) tell();
}

export function useTheme(): ThemeChoice {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => choice,
  );
}
