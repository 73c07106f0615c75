import { createFileRoute, Link } from '@tanstack/react-router';
import type { Entity } from '#/api/types';
import { PrivacyLinks } from '#/features/privacy/links';
import { personName, provenanceQuery, recordQuery } from '#/features/records/queries';
import { RecordPage, type RecordSearch } from '#/features/records/record-page';
import { SHOWS } from '#/features/records/sides';
import { useMay } from '#/features/session/queries';
import { compact, oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { textOf } from '#/ui/value';

export const Route = createFileRoute('/_app/contacts/$id')({
  validateSearch: (search): RecordSearch => ({
    show: oneOf(search.show, SHOWS),
    tab: oneOf(search.tab, ['fields', 'timeline'] as const),
  }),
  loader: ({ context, params }) => {
    void context.queryClient.prefetchQuery(recordQuery('contacts', params.id));
    void context.queryClient.prefetchQuery(provenanceQuery('contacts', params.id));
  },
  component: ContactPage,
});

function ContactPage() {
  const t = useWords();
  const { id } = Route.useParams();
  const navigate = Route.useNavigate();
  const may = useMay();
  return (
    <RecordPage
      key={id}
      noun="contacts"
      id={id}
      search={Route.useSearch()}
      onSearch={(change) =>
        void navigate({ search: (old) => compact({ ...old, ...change }), replace: true, resetScroll: false })
      }
      nameOf={(record) => personName(textOf(record.fields.first_name), textOf(record.fields.last_name))}
      fallback={t('contacts.one')}
      up={
        <Link to="/contacts" className={LINK}>
          {t('contacts.title')}
        </Link>
      }
      facts={(record) => {
        const account = accountOf(record);
        const asks = may('privacy.manage')
          ? [{ label: t('place.privacy'), value: <PrivacyLinks contact={id} /> }]
          : [];
        return account
          ? [
              {
                label: t('contacts.account'),
                value: (
                  <Link to="/accounts/$id" params={{ id: account.id }} className={LINK}>
                    {account.name}
                  </Link>
                ),
              },
              ...asks,
            ]
          : asks;
      }}
    />
  );
}

function accountOf(record: Entity): { id: string; name: string } | null {
  const account = record.fields.account;
  if (typeof account !== 'object' || account === null || !('id' in account) || !('name' in account))
    return null;
  return { id: String(account.id), name: String(account.name) };
}
