import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Ban } from 'lucide-react';
import { useState } from 'react';
import type { Key } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { byNoun, useAccessWords } from '#/features/access/permissions';
import { KeyPill } from '#/features/keys/key-pill';
import { isOver, keyQuery, keyState, revokeKey } from '#/features/keys/queries';
import { Rotate } from '#/features/keys/rotate-dialog';
import { UsagePanel } from '#/features/keys/usage-panel';
import { sessionQuery, useMay } from '#/features/session/queries';
import { userQuery } from '#/features/users/queries';
import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { Facts } from '#/ui/facts';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/keys/$id')({ component: KeyPage });

function KeyPage() {
  const t = useWords();
  return (
    <Permitted needs="keys.manage" title={t('keys_page.one')}>
      <OneKey />
    </Permitted>
  );
}

function OneKey() {
  const t = useWords();
  const { id } = Route.useParams();
  const query = useQuery(keyQuery(id));
  const key = query.data;
  const own = useQuery(sessionQuery).data?.user.id;
  const works = key && !isOver(keyState(key));
  return (
    <Page
      key={id}
      title={key?.name ?? t('keys_page.one')}
      up={
        <Link to="/keys" className={LINK}>
          {t('keys_page.title')}
        </Link>
      }
      aside={key && <KeyPill of={key} />}
      actions={
        works && (
          <>
            {key.user_id === own && <Rotate of={key} />}
            <Revoke of={key} />
          </>
        )
      }
    >
      <QueryView query={query} loading={t('keys_page.one_loading')}>
        {(found) => <KeyView of={found} isOwn={found.user_id === own} />}
      </QueryView>
    </Page>
  );
}

function KeyView({ of, isOwn }: { of: Key; isOwn: boolean }) {
  const t = useWords();
  const words = useAccessWords();
  const may = useMay();
  const owner = useQuery({ ...userQuery(of.user_id), enabled: may('users.read') }).data;
  return (
    <div className="flex flex-col gap-4">
      <Facts
        facts={[
          { label: t('keys_page.shown'), value: <code className="font-mono text-xs">{of.shown}…</code> },
          {
            label: t('keys_page.owner'),
            value: (
              <Link to="/users/$id" params={{ id: of.user_id }} className={LINK}>
                {owner?.name ?? of.user_id}
              </Link>
            ),
          },
          { label: t('keys_page.created'), value: <Time at={of.created_at} /> },
          {
            label: t('keys_page.used'),
            value: of.last_used_at ? <Time at={of.last_used_at} /> : t('keys_page.never_used'),
          },
          {
            label: t('keys_page.expires'),
            value: of.expires_at ? <Time at={of.expires_at} /> : t('keys_page.never'),
          },
          of.revoked_at !== null && {
            label: t('keys_page.revoked'),
            value: <Time at={of.revoked_at} />,
          },
          of.old_until !== null && {
            label: t('keys_page.old_until'),
            value: <Time at={of.old_until} />,
          },
          { label: t('keys_page.per_minute'), value: formatNumber(of.calls_per_minute) },
        ]}
      />
      {!isOwn && !isOver(keyState(of)) && <p className="text-sm text-ink-2">{t('keys_page.not_yours')}</p>}
      <div className="grid grid-cols-[minmax(0,2fr)_minmax(300px,1fr)] items-start gap-4 max-lg:grid-cols-1">
        <UsagePanel of={of} />
        <Panel title={t('access.permissions')}>
          {of.permissions.length === 0 ? (
            <p className="text-sm text-ink-2">{t('keys_page.no_permissions')}</p>
          ) : (
            <dl className="flex flex-col divide-y divide-line">
              {byNoun(of.permissions).map(({ noun, permissions }) => (
                <div key={noun} className="py-2 first:pt-0 last:pb-0">
                  <dt className="text-xs font-medium text-ink-3">{words.noun(noun)}</dt>
                  {permissions.map((permission) => (
                    <dd key={permission} title={permission} className="text-sm text-ink">
                      {words.permission(permission)}
                    </dd>
                  ))}
                </div>
              ))}
            </dl>
          )}
          <p className="mt-3 text-xs text-ink-3">{t('keys_page.within')}</p>
        </Panel>
      </div>
    </div>
  );
}

function Revoke({ of }: { of: Key }) {
  const t = useWords();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const revoke = useMutation({
    mutationFn: revokeKey,
    onSuccess: async () => {
      setAsking(false);
      toast({ text: t('keys_page.is_revoked', { name: of.name }) });
      await client.invalidateQueries({ queryKey: ['keys'] });
    },
  });
  return (
    <>
      <Button look="danger" icon={Ban} onPress={() => setAsking(true)}>
        {t('keys_page.revoke')}
      </Button>
      <Confirm
        title={t('keys_page.revoke_named', { name: of.name })}
        isOpen={asking}
        onClose={() => setAsking(false)}
        text={[t('keys_page.revoke_text'), t('keys_page.revoke_final'), t('keys_page.revoke_stays')]}
        action={t('keys_page.revoke')}
        onConfirm={() => revoke.mutate(of.id)}
        isPending={revoke.isPending}
        error={revoke.error}
      />
    </>
  );
}
