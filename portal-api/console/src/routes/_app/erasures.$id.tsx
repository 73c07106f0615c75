import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import type { Erasure } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { CertificatePanel } from '#/features/privacy/certificate-panel';
import { Decisions } from '#/features/privacy/decisions';
import { ErasurePill } from '#/features/privacy/erasure-pill';
import { isErased, SubjectName, usePerson } from '#/features/privacy/person-name';
import { PlanPanel } from '#/features/privacy/plan-panel';
import { erasureQuery } from '#/features/privacy/queries';
import { sessionQuery, useMay } from '#/features/session/queries';
import { UserName } from '#/features/users/user-name';
import { useWords, wordFor } from '#/lib/words';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/erasures/$id')({ component: ErasurePage });

function ErasurePage() {
  const t = useWords();
  return (
    <Permitted needs="privacy.manage" title={t('erasures.one')}>
      <OneErasure />
    </Permitted>
  );
}

function OneErasure() {
  const t = useWords();
  const { id } = Route.useParams();
  const query = useQuery(erasureQuery(id));
  const erasure = query.data;
  return (
    <Page
      key={id}
      title={t('erasures.one')}
      up={
        <Link to="/erasures" className={LINK}>
          {t('erasures.title')}
        </Link>
      }
      aside={erasure && <ErasurePill erasure={erasure} />}
      actions={erasure && <Decisions erasure={erasure} />}
    >
      <QueryView query={query} loading={t('erasures.one_loading')}>
        {(found) => <ErasureView erasure={found} />}
      </QueryView>
    </Page>
  );
}

function ErasureView({ erasure }: { erasure: Erasure }) {
  const t = useWords();
  const may = useMay();
  const isOwn = useQuery(sessionQuery).data?.user.id === erasure.asked_by;
  const { isGone } = usePerson(erasure.contact_id, isErased(erasure));
  const { state } = erasure;
  const next = state === 'asked' && isOwn ? 'asked_own' : state;
  return (
    <div className="flex flex-col gap-4">
      <Facts
        facts={[
          {
            label: t('privacy.person'),
            value: <SubjectName erasure={erasure} />,
          },
          { label: t('erasures.kind'), value: wordFor(t, `erasure_kind.${erasure.kind}`, erasure.kind) },
          { label: t('erasures.asked_by'), value: <UserName id={erasure.asked_by} /> },
          { label: t('erasures.asked'), value: <Time at={erasure.asked_at} /> },
          erasure.decided_by != null && {
            label: t('erasures.decided_by'),
            value: <UserName id={erasure.decided_by} />,
          },
          erasure.decided_at != null && {
            label: t('erasures.decided'),
            value: <Time at={erasure.decided_at} />,
          },
          {
            label: t(erasure.hold_until ? 'erasures.held_until' : 'erasures.hold'),
            value: erasure.hold_until ? (
              <Time at={erasure.hold_until} />
            ) : (
              t('erasures.hours', { count: erasure.hold_hours })
            ),
          },
          erasure.done_at != null && { label: t('erasures.done'), value: <Time at={erasure.done_at} /> },
          erasure.run_id != null &&
            may('runs.read') && {
              label: t('erasures.run'),
              value: (
                <Link to="/runs/$id" params={{ id: erasure.run_id }} className={LINK}>
                  {t('erasures.run_open')}
                </Link>
              ),
            },
          { label: t('erasures.id'), value: <Id value={erasure.id} /> },
        ]}
      />
      <div className="grid grid-cols-2 items-start gap-4 max-lg:grid-cols-1">
        <Panel title={t('erasures.request')}>
          <div className="flex flex-col gap-3">
            <p className="max-w-prose text-sm text-ink">{wordFor(t, `erasure_next.${next}`, state)}</p>
            <Said label={t('privacy.reason')} text={erasure.reason} />
            {erasure.note && <Said label={t('erasures.note')} text={erasure.note} />}
          </div>
        </Panel>
        {state === 'done' ? (
          <CertificatePanel erasure={erasure} />
        ) : (
          ['asked', 'approved', 'failed'].includes(state) &&
          !isGone && <PlanPanel contact={erasure.contact_id} user={erasure.user_id} />
        )}
      </div>
    </div>
  );
}

function Said({ label, text }: { label: string; text: string }) {
  return (
    <div>
      <p className="text-xs text-ink-3">{label}</p>
      <p className="max-w-prose text-sm break-words whitespace-pre-wrap text-ink">{text}</p>
    </div>
  );
}
