import { useMutation } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { useState } from 'react';
import { api, unwrap } from '#/api/client';
import { save } from '#/lib/save';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import './words';

/** This month and those before it, as `2026-11`. */
export function months(today: Date, count: number): string[] {
  return Array.from({ length: count }, (_, back) => {
    const first = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - back, 1));
    return first.toISOString().slice(0, 7);
  });
}

/** What was done about people's data in a month, as a file. */
export function ReportButton() {
  const t = useWords();
  const [isOpen, setOpen] = useState(false);
  const all = months(new Date(), 24);
  const [month, setMonth] = useState(all[0] ?? '');
  const fetched = useMutation({
    mutationFn: (month: string): Promise<Blob> =>
      unwrap(api.GET('/api/v1/privacy-report', { params: { query: { month } }, parseAs: 'blob' })),
    onSuccess: (blob, month) => {
      save(blob, `privacy-${month}.csv`);
      setOpen(false);
    },
  });
  return (
    <>
      <Button icon={Download} onPress={() => setOpen(true)}>
        {t('report.get')}
      </Button>
      <Dialog title={t('report.title')} isOpen={isOpen} onClose={() => setOpen(false)}>
        <div className="flex flex-col gap-4">
          <p className="text-sm text-ink-2">{t('report.text')}</p>
          <Select
            label={t('report.month')}
            value={month}
            onChange={setMonth}
            choices={all.map((one) => ({ value: one, label: one }))}
          />
          {fetched.error && <ErrorState compact error={fetched.error} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onPress={() => setOpen(false)}>{t('ui.cancel')}</Button>
            <Button
              look="primary"
              icon={Download}
              onPress={() => fetched.mutate(month)}
              isPending={fetched.isPending}
            >
              CSV
            </Button>
          </div>
        </div>
      </Dialog>
    </>
  );
}
