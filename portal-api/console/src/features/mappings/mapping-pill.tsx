import './words';
import { useWords } from '#/lib/words';
import { StatusPill } from '#/ui/status-pill';

/** Whether a mapping has a draft that is not in force. */
export function MappingPill({ draft }: { draft: boolean }) {
  const t = useWords();
  return (
    <StatusPill status={draft ? 'partial' : 'succeeded'}>
      {t(draft ? 'mapping.draft' : 'mapping.live')}
    </StatusPill>
  );
}
