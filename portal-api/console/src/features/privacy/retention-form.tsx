import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { ErrorState, StaleBanner } from '#/ui/states';
import { toast } from '#/ui/toast';
import { daysOf, isDays, KEPT, LONGEST, shorter, type Typed, typedOf } from './days';
import './words';
import { retentionQuery, saveRetention, type TaggedRetention } from './queries';

/** How long what is kept beside the records stays, kind by kind. */
export function RetentionForm({ retention }: { retention: TaggedRetention }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  // Only what is typed: rules that come anew from the server show through everywhere else.
  const [edits, setEdits] = useState<Partial<Typed>>({});
  const save = useMutation({
    mutationFn: guard<TaggedRetention, TaggedRetention>(saveRetention),
    onSuccess: (saved) => {
      toast({ text: t('retention.saved') });
      client.setQueryData(retentionQuery.queryKey, saved);
      setEdits({});
    },
  });
  const problem = save.error ? toProblem(save.error) : null;
  const before = typedOf(retention.days);
  const typed: Typed = { ...before, ...edits };
  const changed = KEPT.filter((kind) => typed[kind] !== before[kind]).length;
  const less = shorter(before, typed).filter((kind) => isDays(typed[kind]));
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField('days.')}
        onSubmit={(event) => {
          event.preventDefault();
          if (!KEPT.every((kind) => isDays(typed[kind]))) return;
          save.mutate({ etag: retention.etag, days: daysOf(retention.days, typed) });
        }}
      >
        <Panel className="max-w-220">
          <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
            {KEPT.map((kind) => (
              <Field
                key={kind}
                label={t(`retention_field.${kind}`)}
                help={t(`retention_help.${kind}`)}
                name={kind}
                inputMode="numeric"
                placeholder={t('retention.for_ever')}
                value={typed[kind]}
                onChange={(text) =>
                  setEdits((old) => ({ ...old, [kind]: text.replace(/\D/g, '').slice(0, 6) }))
                }
                // Said while it is typed: said on leaving the field, it would move the button from under the pointer.
                validationBehavior="aria"
                validate={(text) => (isDays(text) ? null : t('form.between', { least: 1, most: LONGEST }))}
              />
            ))}
          </div>
        </Panel>
        {less.length > 0 && (
          <StaleBanner loose>
            {t('retention.shorter', { kinds: less.map((kind) => t(`retention_field.${kind}`)).join(', ') })}
          </StaleBanner>
        )}
        {problem && problem.errors.length === 0 && (
          <div className="flex flex-col items-start gap-2">
            <ErrorState compact error={problem} />
            {problem.slug === 'stale' && (
              <Button
                onPress={() => {
                  save.reset();
                  void client.invalidateQueries({ queryKey: retentionQuery.queryKey });
                }}
              >
                {t('policy_page.load_again')}
              </Button>
            )}
          </div>
        )}
        <div className="flex flex-wrap items-center gap-3">
          <Button type="submit" look="primary" isPending={save.isPending} isDisabled={changed === 0}>
            {t('retention.save')}
          </Button>
          {changed > 0 && (
            <Button look="quiet" onPress={() => setEdits({})}>
              {t('policy_page.discard')}
            </Button>
          )}
          <p role="status" className="text-sm text-ink-2">
            {t('policy_page.changed', { count: changed })}
          </p>
        </div>
      </Form>
      {dialog}
    </>
  );
}
