import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import type { User } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { EffectiveList } from '#/features/access/effective-list';
import { useAccessWords } from '#/features/access/permissions';
import { HolderName } from '#/features/assignments/holders';
import { AccountName } from '#/features/records/account-name';
import { sessionQuery, useMay } from '#/features/session/queries';
import { AccessForm } from '#/features/users/access-form';
import { sideOf } from '#/features/users/belonging';
import { OrganisationSwitch } from '#/features/users/organisation-switch';
import { userQuery } from '#/features/users/queries';
import { SessionsPanel, SignInPanel } from '#/features/users/sign-in-panels';
import { UserPill } from '#/features/users/state';
import { StateActions } from '#/features/users/state-actions';
import { oneOf } from '#/lib/search';
import { useWords, wordFor } from '#/lib/words';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Skeleton } from '#/ui/skeleton';
import { Tabs } from '#/ui/tabs';
import { Time } from '#/ui/time';

// Tables, which the first tab does without.
const UserAccounts = lazy(async () => ({
  default: (await import('#/features/users/user-accounts')).UserAccounts,
}));
const UserTrail = lazy(async () => ({ default: (await import('#/features/audit/user-trail')).UserTrail }));

const TABS = ['access', 'accounts', 'sign-in', 'trail'] as const;
type Tab = (typeof TABS)[number];

export const Route = createFileRoute('/_app/users/$id')({
  validateSearch: (search): { tab?: Tab } => ({ tab: oneOf(search.tab, TABS) }),
  component: UserPage,
});

function UserPage() {
  const t = useWords();
  return (
    <Permitted needs="users.read" title={t('users.one')}>
      <OneUser />
    </Permitted>
  );
}

function OneUser() {
  const t = useWords();
  const { id } = Route.useParams();
  const may = useMay();
  const query = useQuery(userQuery(id));
  const own = useQuery(sessionQuery).data?.user.id === id;
  const user = query.data;
  return (
    <Page
      key={id}
      title={user?.name ?? t('users.one')}
      up={
        <Link to="/users" className={LINK}>
          {t('users.title')}
        </Link>
      }
      aside={user && <UserPill user={user} />}
      actions={user && may('users.manage') && !own && <StateActions user={user} />}
    >
      <QueryView query={query} loading={t('users.one_loading')}>
        {(found) => <UserView user={found} isSelf={own} />}
      </QueryView>
    </Page>
  );
}

function UserView({ user, isSelf }: { user: User; isSelf: boolean }) {
  const t = useWords();
  const words = useAccessWords();
  const may = useMay();
  const { tab = 'access' } = Route.useSearch();
  const navigate = Route.useNavigate();
  const manages = may('users.manage');
  const later = (part: React.ReactNode) => (
    <Suspense fallback={<Skeleton label={t('users.one_loading')} />}>{part}</Suspense>
  );
  const access = (
    <div className="grid grid-cols-2 items-start gap-4 max-lg:grid-cols-1">
      <Panel title={t('access.settings')}>
        <AccessForm user={user} isSelf={isSelf} mayEdit={manages} />
      </Panel>
      <div className="flex min-w-0 flex-col gap-4">
        {sideOf(user.role) === 'customer' && (
          <OrganisationSwitch user={user} isDisabled={!manages || isSelf} />
        )}
        <EffectiveList user={user} />
      </div>
    </div>
  );
  const signIn = (
    <div className="grid grid-cols-2 items-start gap-4 max-lg:grid-cols-1">
      <SignInPanel user={user} isSelf={isSelf} />
      <SessionsPanel user={user} />
    </div>
  );
  const parts = [
    { id: 'access', label: t('access.title'), content: access },
    ...(may('teams.read')
      ? [{ id: 'accounts', label: t('teams.user_tab'), content: later(<UserAccounts user={user} />) }]
      : []),
    ...(manages ? [{ id: 'sign-in', label: t('users.sign_in_tab'), content: signIn }] : []),
    ...(may('audit.read')
      ? [{ id: 'trail', label: t('users.trail'), content: later(<UserTrail user={user} />) }]
      : []),
  ];
  return (
    <div className="flex flex-col gap-4">
      <Facts
        facts={[
          { label: t('users.email'), value: user.email },
          { label: t('users.role'), value: words.role(user.role) },
          { label: t('scope.title'), value: wordFor(t, `scope.${user.scope}`, user.scope) },
          user.partner_id != null && {
            label: t('partners.one'),
            value: <HolderName id={user.partner_id} />,
          },
          user.account_id != null && {
            label: t('users.account'),
            value: <AccountName id={user.account_id} />,
          },
          {
            label: t('users.factor'),
            value: t(user.has_factor ? 'users.factor_yes' : 'users.factor_none'),
          },
          {
            label: t('users.last_sign_in'),
            value: user.last_sign_in_at ? <Time at={user.last_sign_in_at} /> : t('users.never'),
          },
          { label: t('users.created'), value: <Time at={user.created_at} /> },
          user.locked_until !== null && {
            label: t('users.locked_until'),
            value: <Time at={user.locked_until} />,
          },
          may('privacy.manage') && {
            label: t('place.privacy'),
            value: (
              <Link to="/erasures/new" search={{ user: user.id }} className={LINK}>
                {t('users.ask_erasure')}
              </Link>
            ),
          },
          { label: t('users.id'), value: <Id value={user.id} /> },
        ]}
      />
      <Tabs
        label={t('users.tabs')}
        selected={parts.some((part) => part.id === tab) ? tab : 'access'}
        onSelect={(id) => void navigate({ search: { tab: oneOf(id, TABS) }, replace: true })}
        parts={parts}
      />
    </div>
  );
}
