import { useMutation, useQuery } from '@tanstack/react-query';
import { toProblem } from '#/api/problem';
import { away } from '#/lib/away';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { ErrorState } from '#/ui/states';
import { signInOptionsQuery, startProvider } from './queries';

/** The identity providers of the tenant whose address this is: a button each, and nothing without any. */
export function Providers({ next, tenant }: { next?: string; tenant?: string }) {
  const t = useWords();
  const options = useQuery(signInOptionsQuery(tenant));
  const start = useMutation({
    mutationFn: startProvider,
    // Away from the console; the button stays busy until the provider's page is there.
    onSuccess: ({ url }) => away.to(url),
  });
  const providers = options.data?.providers ?? [];
  if (providers.length === 0) return null;
  const busy = start.isPending || start.isSuccess ? start.variables?.id : undefined;
  return (
    <div className="flex flex-col gap-2">
      {providers.map((provider) => (
        <Button
          key={provider.id}
          size="large"
          isPending={busy === provider.id}
          onPress={() => start.mutate({ id: provider.id, next, tenant })}
        >
          {t('sign_in.with', { provider: provider.name })}
        </Button>
      ))}
      {start.error && <ErrorState compact error={toProblem(start.error)} />}
    </div>
  );
}
