import { createFileRoute, Link } from '@tanstack/react-router';
import { AccountHolders } from '#/features/assignments/account-holders';
import { provenanceQuery, recordQuery } from '#/features/records/queries';
import { RecordPage, type RecordSearch } from '#/features/records/record-page';
import { SHOWS } from '#/features/records/sides';
import { compact, oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { textOf } from '#/ui/value';

export const Route = createFileRoute('/_app/accounts/$id')({
  validateSearch: (search): RecordSearch => ({
    show: oneOf(search.show, SHOWS),
    tab: oneOf(search.tab, ['fields', 'holders', 'timeline'] as const),
  }),
  loader: ({ context, params }) => {
    void context.queryClient.prefetchQuery(recordQuery('accounts', params.id));
    void context.queryClient.prefetchQuery(provenanceQuery('accounts', params.id));
  },
  component: AccountPage,
});

function AccountPage() {
  const t = useWords();
  const { id } = Route.useParams();
  const navigate = Route.useNavigate();
  return (
    <RecordPage
      key={id}
      noun="accounts"
      id={id}
      search={Route.useSearch()}
      onSearch={(change) =>
        void navigate({ search: (old) => compact({ ...old, ...change }), replace: true, resetScroll: false })
      }
      nameOf={(record) => textOf(record.fields.name)}
      fallback={t('accounts.one')}
      up={
        <Link to="/accounts" className={LINK}>
          {t('accounts.title')}
        </Link>
      }
      more={{ id: 'holders', title: t('assign.title'), content: <AccountHolders account={id} /> }}
      facts={() => [
        {
          label: t('contacts.title'),
          value: (
            <Link to="/contacts" search={{ account_id: id }} className={LINK}>
              {t('accounts.contacts')}
            </Link>
          ),
        },
      ]}
    />
  );
}
