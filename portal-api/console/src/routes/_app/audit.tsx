import { useMutation } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { Download, ShieldCheck } from 'lucide-react';
import { Permitted } from '#/app/permitted';
import { EntryList } from '#/features/audit/entry-list';
import { AuditFilterBar } from '#/features/audit/filters';
import { type AuditFilters, exportTrail, verifyTrail } from '#/features/audit/queries';
import { SubjectLink } from '#/features/audit/subject-link';
import { Verification } from '#/features/audit/verification';
import { useStepUp } from '#/features/factors/step-up';
import { save } from '#/lib/save';
import { compact, isAnySet, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Page } from '#/ui/page';
import { EmptyState, ErrorState } from '#/ui/states';

export const Route = createFileRoute('/_app/audit')({
  validateSearch: (search): AuditFilters => ({
    actor: textParam(search.actor),
    action: textParam(search.action),
    subject_kind: textParam(search.subject_kind),
    subject_id: textParam(search.subject_id),
    from: dayParam(search.from),
    to: dayParam(search.to),
  }),
  component: AuditPage,
});

function dayParam(value: unknown): string | undefined {
  const text = textParam(value);
  return text && /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : undefined;
}

function AuditPage() {
  const t = useWords();
  return (
    <Permitted needs="audit.read" title={t('audit.title')}>
      <Trail />
    </Permitted>
  );
}

function Trail() {
  const t = useWords();
  const filters = Route.useSearch();
  const navigate = Route.useNavigate();
  const { guard, dialog } = useStepUp();
  const verify = useMutation({ mutationFn: () => verifyTrail() });
  const table = useMutation({
    mutationFn: guard<AuditFilters, Blob>(exportTrail),
    onSuccess: (blob) => save(blob, 'audit.csv'),
  });
  const set = (change: AuditFilters) =>
    void navigate({ search: (old) => compact({ ...old, ...change }), replace: true });
  const clear = () => void navigate({ search: {}, replace: true });
  const filtered = isAnySet(filters);
  const failed = verify.error ?? table.error;
  return (
    <Page
      fill
      title={t('audit.title')}
      actions={
        <>
          <Button icon={ShieldCheck} onPress={() => verify.mutate()} isPending={verify.isPending}>
            {t(verify.isPending ? 'audit.verifying' : 'audit.verify')}
          </Button>
          <Button icon={Download} onPress={() => table.mutate(filters)} isPending={table.isPending}>
            {t(filtered ? 'audit.export_filtered' : 'audit.export')}
          </Button>
        </>
      }
    >
      {verify.data && <Verification answer={verify.data} onClose={() => verify.reset()} />}
      {failed && <ErrorState compact error={failed} />}
      <AuditFilterBar filters={filters} onChange={set} onClear={filtered ? clear : undefined} />
      {filters.subject_id && (
        <p className="flex items-center gap-1.5 text-sm text-ink-2">
          {t('audit.only_of')} <SubjectLink id={filters.subject_id} />
        </p>
      )}
      <EntryList
        filters={filters}
        empty={
          filtered ? (
            <EmptyState
              title={t('filter.nothing')}
              action={<Button onPress={clear}>{t('filter.clear')}</Button>}
            />
          ) : (
            <EmptyState title={t('audit.none')} text={t('audit.none_text')} />
          )
        }
      />
      {dialog}
    </Page>
  );
}
