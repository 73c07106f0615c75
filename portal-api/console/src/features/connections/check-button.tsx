import { useMutation, useQueryClient } from '@tanstack/react-query';
import { CircleAlert, CircleCheck, PlugZap } from 'lucide-react';
import { formatDuration } from '#/lib/format';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { ErrorState } from '#/ui/states';
import { checkConnection } from './queries';

/** Asks the system whether the credentials work, and shows what it said. */
export function CheckPanel({ id }: { id: string }) {
  const t = useWords();
  const client = useQueryClient();
  const check = useMutation({
    mutationFn: () => checkConnection(id),
    onSettled: () => client.invalidateQueries({ queryKey: ['connections'] }),
  });
  const result = check.data;
  return (
    <div className="flex flex-wrap items-center gap-3">
      <Button icon={PlugZap} onPress={() => check.mutate()} isPending={check.isPending}>
        {check.isPending ? t('connections.testing') : t('connections.test')}
      </Button>
      <div aria-live="polite" className="min-w-0 text-sm">
        {result?.ok && (
          <p className="flex items-center gap-1.5 text-ok-ink">
            <CircleCheck aria-hidden size={16} className="shrink-0 text-ok" />
            {t('connections.works', { took: formatDuration(result.took_ms) })}
          </p>
        )}
        {result && !result.ok && (
          <p className="flex items-start gap-1.5 text-bad-ink">
            <CircleAlert aria-hidden size={16} className="mt-0.5 shrink-0 text-bad" />
            <span className="min-w-0 break-words">
              {wordFor(t, `error_class.${result.error?.kind}`, t('connections.refused'))}
              {result.error && `: ${result.error.message}`}{' '}
              {result.error?.code && <code className="font-mono text-xs">{result.error.code}</code>}
            </span>
          </p>
        )}
        {check.error && <ErrorState compact error={check.error} />}
      </div>
    </div>
  );
}
