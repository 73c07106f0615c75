import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { SubjectExport } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { UserName } from '#/features/users/user-name';
import { save } from '#/lib/save';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState, ErrorState } from '#/ui/states';
import { StatusPill } from '#/ui/status-pill';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { PersonName } from './person-name';
import { PersonPicker } from './person-picker';
import './words';
import { askExport, exportsQuery, FILE_KINDS, type FileKind, fetchExport } from './queries';

type AskProps = { contact: string; onContact: (contact: string) => void };

/** Asks for what is known of somebody. */
export function ExportForm({ contact, onContact }: AskProps) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [reason, setReason] = useState('');
  const ask = useMutation({
    mutationFn: guard<{ contact_id: string; reason: string }, SubjectExport>(askExport),
    onSuccess: async () => {
      toast({ text: t('exports.is_asked') });
      setReason('');
      onContact('');
      await client.invalidateQueries({ queryKey: exportsQuery.queryKey });
    },
  });
  const problem = ask.error ? toProblem(ask.error) : null;
  return (
    <Panel title={t('exports.add')}>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate({ contact_id: contact, reason });
        }}
      >
        <p className="text-sm text-ink-2">{t('exports.text')}</p>
        <PersonPicker value={contact} onChange={onContact} />
        <Field
          label={t('privacy.reason')}
          help={t('exports.reason_help')}
          name="reason"
          lines={2}
          maxLength={500}
          value={reason}
          onChange={setReason}
          validate={(text) => (text.trim() === '' ? t('form.required') : null)}
          isRequired
        />
        {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
        <div>
          <Button type="submit" look="primary" isPending={ask.isPending} isDisabled={contact === ''}>
            {t('exports.ask')}
          </Button>
        </div>
      </Form>
      {dialog}
    </Panel>
  );
}

/** What was gathered, to be fetched as a file. That it was is noted in the audit trail. */
export function ExportList() {
  const t = useWords();
  const query = useQuery(exportsQuery);
  const { guard, dialog } = useStepUp();
  const fetched = useMutation({
    mutationFn: guard<{ id: string; kind: FileKind }, Blob>(fetchExport),
    onSuccess: (blob, { id, kind }) => save(blob, `person-${id.slice(-8)}.${kind}`),
  });
  return (
    <Panel title={t('exports.list')}>
      <div className="flex flex-col gap-3">
        {fetched.error && <ErrorState compact error={fetched.error} />}
        <QueryView query={query} loading={t('exports.loading')} skeletonRows={3}>
          {(all) =>
            all.length === 0 ? (
              <div className="-mx-4 -my-4">
                <EmptyState title={t('exports.empty')} text={t('exports.empty_text')} />
              </div>
            ) : (
              <ul className="flex flex-col divide-y divide-line">
                {all.map((one) => (
                  <li
                    key={one.id}
                    className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3 first:pt-0 last:pb-0"
                  >
                    <div className="min-w-0 flex-1 basis-60">
                      <p className="flex flex-wrap items-center gap-2 text-sm">
                        <PersonName contact={one.contact_id} />
                        <StatusPill status={one.done_at ? 'succeeded' : 'running'}>
                          {t(one.done_at ? 'exports.ready' : 'exports.gathering')}
                        </StatusPill>
                      </p>
                      <p className="text-sm break-words text-ink-2">{one.reason}</p>
                      <p className="text-xs text-ink-2">
                        {t('exports.asked_by')} <UserName id={one.asked_by} />,{' '}
                        <Time at={one.asked_at} as="age" /> · {t('exports.kept_until')}{' '}
                        <Time at={one.expires_at} />
                      </p>
                    </div>
                    {one.done_at && (
                      <div className="flex gap-2">
                        {FILE_KINDS.map((kind) => (
                          <Button
                            key={kind}
                            icon={Download}
                            onPress={() => fetched.mutate({ id: one.id, kind })}
                            isPending={
                              fetched.isPending &&
                              fetched.variables.id === one.id &&
                              fetched.variables.kind === kind
                            }
                          >
                            {kind.toUpperCase()}
                          </Button>
                        ))}
                      </div>
                    )}
                  </li>
                ))}
              </ul>
            )
          }
        </QueryView>
      </div>
      {dialog}
    </Panel>
  );
}
