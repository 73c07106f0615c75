import { useQuery } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import type { Erasure } from '#/api/types';
import { sessionQuery } from '#/features/session/queries';
import { userQuery } from '#/features/users/queries';
import { save } from '#/lib/save';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Panel } from '#/ui/panel';
import { certificate } from './certificate';
import './words';
import { TraceList } from './trace-list';

/** What was destroyed, and a file that says so to whoever asks. */
export function CertificatePanel({ erasure }: { erasure: Erasure }) {
  const t = useWords();
  const session = useQuery(sessionQuery).data;
  const asked = useQuery(userQuery(erasure.asked_by)).data?.name;
  const decider = erasure.decided_by ?? '';
  const decided = useQuery({ ...userQuery(decider), enabled: decider !== '' }).data?.name;
  function hand() {
    const text = certificate(t, erasure, {
      tenant: session?.tenant.name ?? '',
      asked: asked ?? erasure.asked_by,
      decided: decided ?? decider,
    });
    save(new Blob([text], { type: 'text/plain;charset=utf-8' }), `erasure-${erasure.id.slice(-8)}.txt`);
  }
  return (
    <Panel
      title={t('erasures.certificate')}
      actions={
        <Button size="small" icon={Download} onPress={hand}>
          {t('erasures.certificate_save')}
        </Button>
      }
    >
      <div className="flex flex-col gap-3">
        <p className="text-sm text-ink-2">{t('erasures.certificate_text')}</p>
        <TraceList destroyed={erasure.destroyed ?? {}} />
      </div>
    </Panel>
  );
}
