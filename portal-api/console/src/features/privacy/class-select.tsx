import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { toProblem } from '#/api/problem';
import type { Field } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { catalogueQuery } from '#/features/records/queries';
import { oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Select } from '#/ui/select';
import { toast } from '#/ui/toast';
import './words';

export const CLASSES = ['sensitive', 'identifying', 'no'] as const;

type Personal = Field['personal'];

/** How close a field of one's own is to a person, to be said anew. */
export function ClassSelect({ field, noun }: { field: Field; noun: 'contacts' | 'accounts' }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const entity = noun === 'contacts' ? 'contact' : 'account';
  const classify = useMutation({
    mutationFn: guard<Personal, Field>((personal) =>
      unwrap(
        api.PATCH('/api/v1/fields/{entity}/{name}', {
          params: { path: { entity, name: field.name } },
          body: { personal },
        }),
      ),
    ),
    onSuccess: async () => {
      toast({ text: t('personal.changed', { field: field.label }) });
      await client.invalidateQueries({ queryKey: catalogueQuery(noun).queryKey });
    },
    onError: (error) => toast({ text: toProblem(error).message }),
  });
  return (
    <>
      <Select
        inline
        label={t('personal.change', { field: field.label })}
        hideLabel
        value={classify.isPending ? classify.variables : field.personal}
        onChange={(value) => {
          const wished = oneOf(value, CLASSES);
          if (wished && wished !== field.personal) classify.mutate(wished);
        }}
        choices={CLASSES.map((one) => ({ value: one, label: t(`personal_class.${one}`) }))}
      />
      {dialog}
    </>
  );
}
