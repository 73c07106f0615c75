import { useWords, type WordKey } from '#/lib/words';
import { Dialog } from '#/ui/dialog';
import { Keys } from '#/ui/keys';
import { usePlaces } from './places';

const GROUPS: readonly { title: WordKey; keys: readonly (readonly [string, WordKey])[] }[] = [
  {
    title: 'keys.anywhere',
    keys: [
      ['Ctrl K', 'keys.palette'],
      ['/', 'keys.search'],
      ['?', 'keys.sheet'],
      ['Esc', 'keys.close'],
    ],
  },
  {
    title: 'keys.lists',
    keys: [
      ['J', 'keys.down'],
      ['K', 'keys.up'],
      ['Enter', 'keys.open'],
    ],
  },
  { title: 'keys.record', keys: [['E', 'keys.edit']] },
  {
    title: 'keys.run',
    keys: [
      ['R', 'keys.retry'],
      ['Y', 'keys.copy_id'],
    ],
  },
  {
    title: 'keys.conflict',
    keys: [
      ['1', 'keys.core'],
      ['2', 'keys.remote'],
      ['3', 'keys.base'],
      ['E', 'keys.own'],
      ['N', 'keys.next'],
    ],
  },
];

/** Every key, on one sheet. */
export function KeySheet({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const t = useWords();
  const go = usePlaces()
    .flat()
    .map((place) => [`G ${place.key.toUpperCase()}`, place.word] as const);
  return (
    <Dialog wide title={t('keys.title')} isOpen={isOpen} onClose={onClose}>
      <div tabIndex={0} className="-outline-offset-2 grid grid-cols-2 gap-x-8 gap-y-5 max-sm:grid-cols-1">
        {[...GROUPS, { title: 'keys.go' as const, keys: go }].map((group) => (
          <section key={group.title} aria-label={t(group.title)}>
            <h3 className="mb-1 text-xs font-medium text-ink-2">{t(group.title)}</h3>
            <dl>
              {group.keys.map(([keys, word]) => (
                <div
                  key={keys + word}
                  className="flex min-h-7 items-center justify-between gap-4 border-b border-line text-sm last:border-0"
                >
                  <dt>{t(word)}</dt>
                  <dd>
                    <Keys value={keys} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
