import { useQuery } from '@tanstack/react-query';
import { Lock } from 'lucide-react';
import { PLATFORM, sessionQuery, useMay } from '#/features/session/queries';
import { addWords, useWords, wordFor } from '#/lib/words';
import { Page } from '#/ui/page';
import people from '#/words/people.json';

addWords(people);

type Props = { needs: string; title: string; children: React.ReactNode };

/** A page for those with a permission; the others are told which one it is and who gives it. */
export function Permitted({ needs, title, children }: Props) {
  const t = useWords();
  const may = useMay();
  const role = useQuery(sessionQuery).data?.user.role ?? '';
  if (may(needs)) return children;
  return (
    <Page title={title}>
      <div className="flex items-start gap-3 rounded-panel border border-line bg-surface px-4 py-6">
        <Lock aria-hidden size={18} className="mt-0.5 shrink-0 text-hold" />
        <div className="flex min-w-0 max-w-prose flex-col gap-1">
          <p className="text-base font-medium text-ink">{t('forbidden.title')}</p>
          {needs === PLATFORM ? (
            <p className="text-sm text-ink-2">{t('forbidden.platform')}</p>
          ) : (
            <>
              <p className="text-sm text-ink-2">
                {t('forbidden.text', { role: wordFor(t, `role.${role}`, role) })}{' '}
                <code className="font-mono text-xs text-ink">{needs}</code>
              </p>
              <p className="text-sm text-ink-2">{t('forbidden.who')}</p>
            </>
          )}
        </div>
      </div>
    </Page>
  );
}
