import type { Lane, Run } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { Panel } from '#/ui/panel';
import { Time } from '#/ui/time';

/** Why a queued run does not go: the lanes that hold it back, each with who or what said so. */
export function HeldBy({ run }: { run: Run }) {
  const t = useWords();
  if (run.held_by.length === 0) return null;
  return (
    <Panel title={t('held.title')}>
      <ul className="grid gap-2 text-sm">
        {run.held_by.map((lane) => (
          <li key={`${lane.kind}/${lane.name}`}>
            <p className="font-medium">{nameOf(lane, t)}</p>
            <Why lane={lane} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function nameOf(lane: Lane, t: ReturnType<typeof useWords>): string {
  if (lane.kind === 'workflow') {
    return t('held.workflow', { workflow: wordFor(t, `workflow.${lane.name}`, lane.name) });
  }
  return t(`held.${lane.kind}`);
}

function Why({ lane }: { lane: Lane }) {
  const t = useWords();
  if (lane.paused) {
    const { by, reason, since } = lane.paused;
    return (
      <p className="text-ink-2 break-words">
        {t('held.by', { by })} {t('held.since')} <Time at={since} as="full" />
        {reason && ` · ${reason}`}
      </p>
    );
  }
  if (lane.closed) {
    const { reason, until } = lane.closed;
    return (
      <p className="text-ink-2 break-words">
        {t('held.closed')}: {t('held.until')} <Time at={until} as="full" />
        {reason && ` · ${reason}`}
      </p>
    );
  }
  return (
    <p className="text-ink-2">
      {t('held.full', { running: lane.running, most: lane.max_running ?? 1, waiting: lane.waiting })}
    </p>
  );
}
