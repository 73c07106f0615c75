import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Pencil } from 'lucide-react';
import { useState } from 'react';
import { api, unwrap } from '#/api/client';
import type { Field } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { catalogueQuery } from '#/features/records/queries';
import { oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { CLASSES } from './states';
import './words';

type Personal = Field['personal'];

type Props = { field: Field; noun: 'contacts' | 'accounts'; children: React.ReactNode };

/** How close a field of one's own is to a person, to be said anew. */
export function ClassSelect({ field, noun, children }: Props) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [wished, setWished] = useState<Personal | null>(null);
  const close = () => setWished(null);
  const title = t('personal.change', { field: field.label });
  const classify = useMutation({
    mutationFn: guard<Personal, Field>((personal) =>
      unwrap(
        api.PATCH('/api/v1/fields/{entity}/{name}', {
          params: { path: { entity: noun === 'contacts' ? 'contact' : 'account', name: field.name } },
          body: { personal },
        }),
      ),
    ),
    onSuccess: async () => {
      close();
      toast({ text: t('personal.changed', { field: field.label }) });
      await client.invalidateQueries({ queryKey: catalogueQuery(noun).queryKey });
    },
  });
  return (
    <>
      <Button
        size="small"
        look="quiet"
        icon={Pencil}
        className="-ml-2"
        aria-label={title}
        onPress={() => setWished(field.personal)}
      >
        {children}
      </Button>
      <Dialog title={title} isOpen={wished !== null} onClose={close}>
        <div className="flex flex-col gap-4">
          <p className="text-sm text-ink-2">{t('personal.change_text')}</p>
          <Select
            label={t('personal.class')}
            value={wished ?? field.personal}
            onChange={(value) => setWished(oneOf(value, CLASSES) ?? wished)}
            choices={CLASSES.map((one) => ({ value: one, label: t(`personal_class.${one}`) }))}
          />
          {classify.error && <ErrorState compact error={classify.error} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onPress={close}>{t('ui.cancel')}</Button>
            <Button
              look="primary"
              onPress={() => wished && classify.mutate(wished)}
              isPending={classify.isPending}
              isDisabled={wished === field.personal}
            >
              {t('ui.save')}
            </Button>
          </div>
        </div>
      </Dialog>
      {dialog}
    </>
  );
}
