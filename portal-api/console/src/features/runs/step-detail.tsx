import type { Step } from '#/api/types';
import { formatDuration } from '#/lib/format';
import { useWords, wordFor } from '#/lib/words';
import { Facts } from '#/ui/facts';
import { JsonView } from '#/ui/json-view';
import { StatusMark, StatusPill } from '#/ui/status-pill';
import { Time } from '#/ui/time';
import { STEP_STATUS } from './state';

/** The chosen step: when, how often, why not, and what it stored. */
export function StepDetail({ step }: { step: Step }) {
  const t = useWords();
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <h3 className="min-w-0 text-base font-semibold break-words text-ink">
          {step.name}{' '}
          {step.key && <code className="font-mono text-xs font-normal text-ink-2">{step.key}</code>}
        </h3>
        <StatusPill status={STEP_STATUS[step.state]}>
          {wordFor(t, `step_state.${step.state}`, step.state)}
        </StatusPill>
      </div>
      <Facts
        facts={[
          { label: t('run.number'), value: step.seq },
          { label: t('run.kind'), value: wordFor(t, `step_kind.${step.kind}`, step.kind) },
          { label: t('runs.started'), value: <Time at={step.started_at} as="full" /> },
          { label: t('runs.took'), value: step.took_ms == null ? '—' : formatDuration(step.took_ms) },
        ]}
      />
      {step.attempts.length > 0 && (
        <div>
          <h4 className="mb-1 text-xs font-medium text-ink-2">{t('run.attempts')}</h4>
          <ol className="border-t border-line">
            {step.attempts.map((attempt) => (
              <li key={attempt.attempt} className="flex gap-2 border-b border-line py-2 text-sm">
                <span className="mt-0.5">
                  <StatusMark
                    status={attempt.error ? 'failed' : attempt.finished_at ? 'succeeded' : 'running'}
                  />
                </span>
                <div className="min-w-0 flex-1">
                  <p className="flex flex-wrap gap-x-3 text-ink">
                    <span>{t('run.attempt_n', { n: attempt.attempt })}</span>
                    <Time at={attempt.started_at} as="full" />
                    {attempt.finished_at && (
                      <span className="numeric text-ink-2">
                        {formatDuration(Date.parse(attempt.finished_at) - Date.parse(attempt.started_at))}
                      </span>
                    )}
                  </p>
                  {attempt.error && (
                    <p className="break-words text-bad-ink">
                      {wordFor(t, `error_class.${attempt.error.class}`, attempt.error.class)}:{' '}
                      {attempt.error.message}
                    </p>
                  )}
                  {attempt.next_at && (
                    <p className="text-ink-2">
                      {t('run.next_attempt')} <Time at={attempt.next_at} as="full" />
                    </p>
                  )}
                </div>
              </li>
            ))}
          </ol>
        </div>
      )}
      <div>
        <h4 className="mb-1 text-xs font-medium text-ink-2">{t('run.output')}</h4>
        {step.output == null ? (
          <p className="text-sm text-ink-2">{t('run.no_output')}</p>
        ) : (
          <>
            <JsonView label={t('run.output')} value={step.output} />
            {step.truncated && <p className="mt-1 text-xs text-ink-2">{t('run.truncated')}</p>}
          </>
        )}
      </div>
    </div>
  );
}
