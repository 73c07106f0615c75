import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { quotasQuery, saveQuotas, type TaggedQuotas } from './queries';
import { QUOTAS, quotaOf, quotasOf, type Typed, typedOf } from './quotas';

/** How much of each thing a tenant may use. */
export function Quotas({ id }: { id: string }) {
  const t = useWords();
  const query = useQuery(quotasQuery(id));
  return (
    <QueryView query={query} loading={t('quotas.loading')} skeletonRows={4}>
      {(quotas) => <QuotasForm id={id} quotas={quotas} />}
    </QueryView>
  );
}

function QuotasForm({ id, quotas }: { id: string; quotas: TaggedQuotas }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [edits, setEdits] = useState<Partial<Typed>>({});
  const typed = { ...typedOf(quotas), ...edits };
  const save = useMutation({
    mutationFn: guard<TaggedQuotas, TaggedQuotas>((wish) => saveQuotas(id, wish)),
    onSuccess: async (saved) => {
      toast({ text: t('quotas.saved') });
      setEdits({});
      client.setQueryData(quotasQuery(id).queryKey, saved);
      await client.invalidateQueries({ queryKey: ['tenants', 'one', id] });
    },
  });
  const problem = save.error ? toProblem(save.error) : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          const wish = quotasOf(quotas, edits);
          if (wish) save.mutate({ ...wish, etag: quotas.etag });
        }}
      >
        <p className="text-sm text-ink-2">{t('quotas.text')}</p>
        <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
          {QUOTAS.map((quota) => (
            <Field
              key={quota}
              label={t(`quotas.${quota}`)}
              name={quota}
              inputMode={quota === 'storage' ? 'decimal' : 'numeric'}
              placeholder={t('usage.no_limit')}
              value={typed[quota]}
              onChange={(text) => setEdits((old) => ({ ...old, [quota]: text.slice(0, 24) }))}
              validate={() =>
                quotaOf(quota, typed[quota]) === undefined
                  ? t(quota === 'storage' ? 'quotas.no_size' : 'form.whole_number')
                  : null
              }
            />
          ))}
        </div>
        {problem && (
          <div className="flex flex-col items-start gap-2">
            <ErrorState compact error={problem} />
            {problem.slug === 'stale' && (
              <Button
                onPress={() => {
                  save.reset();
                  void client.invalidateQueries({ queryKey: quotasQuery(id).queryKey });
                }}
              >
                {t('organisation.load_again')}
              </Button>
            )}
          </div>
        )}
        <div>
          <Button
            type="submit"
            look="primary"
            isPending={save.isPending}
            isDisabled={Object.keys(edits).length === 0}
          >
            {t('quotas.save')}
          </Button>
        </div>
      </Form>
      {dialog}
    </>
  );
}
