import { Rows2, Rows3 } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { keep, kept } from '#/lib/kept';
import { useWords } from '#/lib/words';
import { IconButton } from './button';

export type Density = 'compact' | 'comfortable';

let density: Density = kept('density', ['compact', 'comfortable'], 'compact');
const listeners = new Set<() => void>();

export function useDensity(): Density {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => density,
  );
}

/** Low or high rows in every table of this browser. */
export function DensitySwitch() {
  const t = useWords();
  const current = useDensity();
  const next: Density = current === 'compact' ? 'comfortable' : 'compact';
  return (
    <IconButton
      label={t(next === 'compact' ? 'ui.compact_rows' : 'ui.comfortable_rows')}
      icon={next === 'compact' ? Rows3 : Rows2}
      onPress={() => {
        density = next;
        keep('density', next);
        for (const tell of listeners) tell();
      }}
    />
  );
}
