import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { Permitted } from '#/app/permitted';
import { DEEDS, WAYS } from '#/features/assignments/order';
import { Transfer, type TransferSearch } from '#/features/assignments/transfer';
import { PeopleNav } from '#/features/users/people-nav';
import { compact, oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Page } from '#/ui/page';

export const Route = createFileRoute('/_app/assignments')({
  validateSearch: (search): TransferSearch => ({
    deed: oneOf(search.deed, DEEDS),
    way: oneOf(search.way, WAYS),
    from: textParam(search.from),
    to: textParam(search.to),
    q: textParam(search.q),
    industry: textParam(search.industry),
    tier: textParam(search.tier),
    type: textParam(search.type),
  }),
  component: TransferPage,
});

function TransferPage() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const set = useCallback(
    (change: TransferSearch) =>
      void navigate({
        search: (old) => compact({ ...old, ...change }),
        replace: true,
        resetScroll: false,
      }),
    [navigate],
  );
  return (
    <Permitted needs="teams.manage" title={t('transfer.title')}>
      <Page title={t('transfer.title')}>
        <PeopleNav />
        <Transfer search={search} onSearch={set} />
      </Page>
    </Permitted>
  );
}
