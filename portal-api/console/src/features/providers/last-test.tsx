import { useQuery } from '@tanstack/react-query';
import { CircleAlert, CircleCheck } from 'lucide-react';
import type { IdentityProvider } from '#/api/types';
import { useAccessWords } from '#/features/access/permissions';
import { groupsQuery } from '#/features/groups/queries';
import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Panel } from '#/ui/panel';
import { Time } from '#/ui/time';
import { hasArrived, type Outcome, readOutcome } from './state';

/** What the provider said of whoever signed in last to try it, and what that makes them here. */
export function LastTest({ provider }: { provider: IdentityProvider }) {
  const t = useWords();
  const { last_test } = provider;
  if (!last_test) {
    return (
      <Panel title={t('provider_test.title')}>
        <p className="text-sm text-ink-2">{t('provider_test.none')}</p>
      </Panel>
    );
  }
  const outcome = readOutcome(last_test.outcome);
  const Icon = outcome.accepted ? CircleCheck : CircleAlert;
  return (
    <Panel
      title={t('provider_test.title')}
      actions={
        <span className="text-xs text-ink-2">
          <Time at={last_test.at} />
        </span>
      }
    >
      <div className="flex flex-col gap-4">
        <div
          className={`flex items-start gap-2 rounded-control p-3 text-sm ${outcome.accepted ? 'bg-ok-soft text-ok-ink' : 'bg-bad-soft text-bad-ink'}`}
        >
          <Icon aria-hidden size={16} className="mt-0.5 shrink-0" />
          <div className="min-w-0">
            <p className="font-medium">
              {t(outcome.accepted ? 'provider_test.accepted' : 'provider_test.refused')}
            </p>
            {outcome.reason && <p className="break-words first-letter:uppercase">{outcome.reason}</p>}
          </div>
        </div>
        {!provider.tested && outcome.accepted && (
          <p className="text-sm text-ink-2">{t('provider_test.changed_since')}</p>
        )}
        {hasArrived(outcome) && <Mapped provider={provider} outcome={outcome} />}
      </div>
    </Panel>
  );
}

function Mapped({ provider, outcome }: { provider: IdentityProvider; outcome: Outcome }) {
  const t = useWords();
  const words = useAccessWords();
  const may = useMay();
  const groups = useQuery({ ...groupsQuery, enabled: may('users.read') }).data?.items ?? [];
  const nameOf = (id: string) => groups.find((group) => group.id === id)?.name ?? id;
  const { attributes } = provider;
  const none = <span className="text-ink-3">{t('provider_test.not_said')}</span>;
  return (
    <>
      <Rows
        title={t('provider_test.said')}
        rows={[
          { label: t('provider_test.subject'), value: outcome.subject },
          {
            label: t('provider_test.email'),
            from: attributes.email,
            value: outcome.email ? (
              <>
                {outcome.email}
                <span className="block text-xs text-ink-2">
                  {t(outcome.isVerified ? 'provider_test.verified' : 'provider_test.unverified')}
                </span>
              </>
            ) : (
              none
            ),
          },
          { label: t('provider_test.name'), from: attributes.name, value: outcome.name ?? none },
          {
            label: t('provider_test.groups'),
            from: attributes.groups,
            value: outcome.theirGroups.length > 0 ? outcome.theirGroups.join(', ') : none,
          },
        ]}
      />
      {outcome.accepted && (
        <Rows
          title={t('provider_test.here')}
          rows={[
            { label: t('users.role'), value: outcome.role ? words.role(outcome.role) : none },
            {
              label: t('groups.title'),
              value:
                outcome.groups.length > 0 ? outcome.groups.map(nameOf).join(', ') : t('groups.gives_nothing'),
            },
          ]}
        />
      )}
    </>
  );
}

type RowsProps = { title: string; rows: { label: string; from?: string; value: React.ReactNode }[] };

function Rows({ title, rows }: RowsProps) {
  const t = useWords();
  return (
    <div>
      <h3 className="mb-1 text-xs font-medium text-ink-2">{title}</h3>
      <dl className="flex flex-col divide-y divide-line border-y border-line">
        {rows.map(({ label, from, value }) => (
          <div key={label} className="grid grid-cols-[minmax(96px,2fr)_minmax(0,3fr)] gap-x-3 py-1.5 text-sm">
            <dt className="min-w-0 text-ink-2">
              {label}
              {from !== undefined && (
                <span className="block text-xs break-words text-ink-3">
                  {t('provider_test.from')} <code className="font-mono">{from}</code>
                </span>
              )}
            </dt>
            <dd className="min-w-0 break-words text-ink">{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
