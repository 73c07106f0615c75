import { useMutation } from '@tanstack/react-query';
import { ExternalLink } from 'lucide-react';
import { toProblem } from '#/api/problem';
import { away } from '#/lib/away';
import { addWords, useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { ErrorState } from '#/ui/states';
import stepUp from '#/words/step_up.json';
import { stepUpAtProvider } from './queries';

addWords(stepUp);

/** Longest page that the server takes to come back to. */
const LONGEST = 500;

/** This page, to come back to it; without its query where that is too long. */
function here(): string {
  const { pathname, search } = globalThis.location;
  return pathname.length + search.length <= LONGEST ? pathname + search : pathname;
}

type Props = {
  provider: string;
  /** Where there is no other way but a password, which not everybody from a provider has. */
  onPassword?: () => void;
};

/** Shows who one is at the identity provider one came from: the browser goes there and comes back. */
export function ByProvider({ provider, onPassword }: Props) {
  const t = useWords();
  const start = useMutation({ mutationFn: () => stepUpAtProvider(here()), onSuccess: (url) => away.to(url) });
  return (
    <div className="flex flex-col items-start gap-4">
      <p className="text-sm text-ink-2">
        {t('step_up.provider', { provider })} {t('step_up.again')}
      </p>
      {start.error && <ErrorState compact error={toProblem(start.error)} />}
      <div className="flex flex-wrap gap-2">
        <Button
          look={onPassword ? 'primary' : undefined}
          icon={ExternalLink}
          onPress={() => start.mutate()}
          isPending={start.isPending || start.isSuccess}
        >
          {t('step_up.ask', { provider })}
        </Button>
        {onPassword && (
          <Button look="quiet" onPress={onPassword}>
            {t('step_up.by_password')}
          </Button>
        )}
      </div>
    </div>
  );
}
