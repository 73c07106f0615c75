import { useSyncExternalStore } from 'react';

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (tell) => {
      const list = globalThis.matchMedia?.(query);
      list?.addEventListener('change', tell);
      return () => list?.removeEventListener('change', tell);
    },
    () => globalThis.matchMedia?.(query).matches ?? false,
  );
}

/** Under 640 px a table is a list and the side bar a bar at the bottom. */
export function usePhone(): boolean {
  return useMedia('(max-width: 639.98px)');
}
