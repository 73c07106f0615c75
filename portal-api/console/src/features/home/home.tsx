import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Building2, type LucideIcon, ShieldCheck, Users } from 'lucide-react';
import { useMemo } from 'react';
import type { AccountRow, ContactRow, Session } from '#/api/types';
import { useShortColumns } from '#/features/assignments/held-accounts';
import { accountsQuery, contactsQuery, personName } from '#/features/records/queries';
import { sessionQuery } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { LINK, NAME_LINK } from '#/ui/link';
import { countOf } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { Value } from '#/ui/value';
import { greetingOf } from './greeting';
import './words';

/** Rows of each list before its own page. */
const FEW = 8;

/** Where those begin who see a part of the accounts: what is theirs, and the ways on. */
export function Home() {
  const session = useQuery(sessionQuery).data;
  return session ? <Begin session={session} /> : null;
}

function Begin({ session }: { session: Session }) {
  const t = useWords();
  const accounts = useInfiniteQuery(accountsQuery({ sort: 'name' }));
  const contacts = useInfiniteQuery(contactsQuery({ sort: 'last_name' }));
  const held = accounts.data?.pages[0]?.items ?? [];
  const known = contacts.data?.pages[0]?.items ?? [];
  const count = countOf(accounts);
  const columns = useShortColumns();
  const people = usePeopleColumns();
  const greeting = greetingOf(session.scope, count, held);
  return (
    <Page title={t('home.title', { name: session.user.name })}>
      <p className="text-2xl font-semibold tracking-[-0.01em] text-balance text-ink">
        {greeting && t(`home.${greeting.word}`, { ...greeting.values, tenant: session.tenant.name })}
      </p>
      <div className="grid grid-cols-2 items-start gap-4 max-lg:grid-cols-1">
        <Panel
          title={t(session.scope === 'own' ? 'home.own' : 'home.accounts')}
          flush
          actions={
            <Link to="/accounts" className={`${LINK} text-sm`}>
              {t('home.all_accounts')}
            </Link>
          }
        >
          <QueryView query={accounts} loading={t('accounts.loading')} skeletonRows={4}>
            {() =>
              held.length === 0 ? (
                <EmptyState title={t('home.none')} text={t('home.none_text')} />
              ) : (
                <Table<AccountRow>
                  whole
                  label={t('accounts.title')}
                  columns={columns}
                  rows={held.slice(0, FEW)}
                  idOf={(one) => one.id}
                />
              )
            }
          </QueryView>
        </Panel>
        <Panel
          title={t('home.people')}
          flush
          actions={
            <Link to="/contacts" className={`${LINK} text-sm`}>
              {t('home.all_contacts')}
            </Link>
          }
        >
          <QueryView query={contacts} loading={t('contacts.loading')} skeletonRows={4}>
            {() =>
              known.length === 0 ? (
                <EmptyState title={t('home.no_people')} />
              ) : (
                <Table<ContactRow>
                  whole
                  label={t('contacts.title')}
                  columns={people}
                  rows={known.slice(0, FEW)}
                  idOf={(one) => one.id}
                />
              )
            }
          </QueryView>
        </Panel>
      </div>
      <nav aria-label={t('home.ways')}>
        <ul className="grid grid-cols-3 gap-4 max-lg:grid-cols-1">
          <Way to="/accounts" icon={Building2} title={t('accounts.title')} text={t('home.accounts_text')} />
          <Way to="/contacts" icon={Users} title={t('contacts.title')} text={t('home.contacts_text')} />
          <Way to="/security" icon={ShieldCheck} title={t('security.menu')} text={t('home.security_text')} />
        </ul>
      </nav>
    </Page>
  );
}

type WayProps = {
  to: '/accounts' | '/contacts' | '/security';
  icon: LucideIcon;
  title: string;
  text: string;
};

function Way({ to, icon: Icon, title, text }: WayProps) {
  return (
    <li>
      <Link
        to={to}
        className="flex h-full items-start gap-3 rounded-panel border border-line bg-surface p-4 no-underline hover:bg-hover"
      >
        <Icon aria-hidden size={20} strokeWidth={1.75} className="mt-0.5 shrink-0 text-accent-ink" />
        <span>
          <span className="block text-base font-medium text-ink">{title}</span>
          <span className="block text-sm text-ink-2">{text}</span>
        </span>
      </Link>
    </li>
  );
}

function usePeopleColumns(): Column<ContactRow>[] {
  const t = useWords();
  return useMemo(
    () => [
      {
        id: 'name',
        header: t('contacts.name'),
        width: 'minmax(140px, 1fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/contacts/$id" params={{ id: one.id }} className={NAME_LINK}>
            {personName(one.first_name, one.last_name)}
          </Link>
        ),
      },
      {
        id: 'account',
        header: t('contacts.account'),
        width: 'minmax(120px, 1fr)',
        phone: 'fact',
        cell: (one) => <Value value={one.account?.name} />,
      },
      {
        id: 'email',
        header: t('contacts.email'),
        width: 'minmax(140px, 1.2fr)',
        hides: 1,
        cell: (one) => <Value value={one.email} />,
      },
    ],
    [t],
  );
}
