import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { useState } from 'react';
import { AppPanel } from '#/features/factors/app-panel';
import { BackupCodes, BackupCodesPanel } from '#/features/factors/backup-codes';
import { Devices, Sessions } from '#/features/factors/browsers';
import { Passkeys } from '#/features/factors/passkeys';
import { PhonePanel } from '#/features/factors/phone-panel';
import { devicesQuery, factorsQuery, passkeysQuery, sessionsQuery } from '#/features/factors/queries';
import { useStepUp } from '#/features/factors/step-up';
import { sessionQuery } from '#/features/session/queries';
import { formatInstant } from '#/lib/format';
import { useWords } from '#/lib/words';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';

export const Route = createFileRoute('/_app/security')({
  loader: ({ context }) => {
    for (const query of [factorsQuery, passkeysQuery, devicesQuery, sessionsQuery])
      void context.queryClient.prefetchQuery(query as typeof factorsQuery);
  },
  component: Security,
});

function Security() {
  const t = useWords();
  const factors = useQuery(factorsQuery);
  const user = useQuery(sessionQuery).data?.user;
  const { guard, dialog } = useStepUp();
  const [codes, setCodes] = useState<string[]>([]);
  return (
    <Page title={t('security.title')}>
      {user?.must_enrol ? (
        <p role="alert" className="rounded-control bg-warn-soft px-3 py-2 text-sm text-warn-ink">
          {t('security.must')}
        </p>
      ) : (
        user?.factor_due && (
          <p role="status" className="rounded-control bg-warn-soft px-3 py-2 text-sm text-warn-ink">
            {t('security.due', { at: formatInstant(user.factor_due) })}
          </p>
        )
      )}
      <QueryView query={factors} loading={t('security.loading')}>
        {(owned) => (
          <div className="grid grid-cols-2 items-start gap-4 max-lg:grid-cols-1">
            <AppPanel owned={owned} guard={guard} onCodes={setCodes} />
            <Passkeys owned={owned} guard={guard} onCodes={setCodes} />
            <BackupCodesPanel owned={owned} guard={guard} onCodes={setCodes} />
            {(owned.available.includes('sms') || owned.sms_ends_with) && (
              <PhonePanel owned={owned} guard={guard} onCodes={setCodes} />
            )}
            <Devices />
            <Sessions />
          </div>
        )}
      </QueryView>
      <BackupCodes codes={codes} onClose={() => setCodes([])} />
      {dialog}
    </Page>
  );
}
