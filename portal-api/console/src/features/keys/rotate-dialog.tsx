import { useMutation, useQueryClient } from '@tanstack/react-query';
import { RefreshCw } from 'lucide-react';
import { useState } from 'react';
import type { Key, NewSecret } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import { type Rotation, rotateKey } from './queries';
import { SecretDialog } from './secret-dialog';

const OVERLAPS = [0, 60, 1_440, 10_080] as const;

/** Another secret for the same key; the one before works on for a while. */
export function Rotate({ of }: { of: Key }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [asking, setAsking] = useState(false);
  const [overlap, setOverlap] = useState<number>(1_440);
  const [made, setMade] = useState<NewSecret | null>(null);
  const rotate = useMutation({
    mutationFn: guard<Rotation, NewSecret>(rotateKey),
    onSuccess: async (secret) => {
      setAsking(false);
      setMade(secret);
      await client.invalidateQueries({ queryKey: ['keys'] });
    },
  });
  return (
    <>
      <Button icon={RefreshCw} onPress={() => setAsking(true)}>
        {t('keys_page.rotate')}
      </Button>
      <Dialog
        title={t('keys_page.rotate_named', { name: of.name })}
        isOpen={asking}
        onClose={() => setAsking(false)}
      >
        <div className="flex flex-col gap-4">
          <p className="text-sm text-ink-2">{t('keys_page.rotate_text')}</p>
          <Select
            label={t('keys_page.overlap')}
            help={t(overlap === 0 ? 'keys_page.overlap_none' : 'keys_page.overlap_text')}
            value={String(overlap)}
            onChange={(value) => setOverlap(Number(value))}
            choices={OVERLAPS.map((minutes) => ({
              value: String(minutes),
              label: t(`overlap_minutes.${minutes}`),
            }))}
          />
          {rotate.error && <ErrorState compact error={rotate.error} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button look="quiet" onPress={() => setAsking(false)}>
              {t('ui.cancel')}
            </Button>
            <Button
              look="primary"
              onPress={() => rotate.mutate({ id: of.id, overlap_minutes: overlap })}
              isPending={rotate.isPending}
            >
              {t('keys_page.rotate_now')}
            </Button>
          </div>
        </div>
      </Dialog>
      <SecretDialog made={made} onClose={() => setMade(null)} />
      {dialog}
    </>
  );
}
