import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef } from 'react';
import type { Run, Step } from '#/api/types';
import { formatDuration } from '#/lib/format';
import { useKeys } from '#/lib/keys';
import { usePhone } from '#/lib/media';
import { useWords, wordFor } from '#/lib/words';
import { StatusMark } from '#/ui/status-pill';
import { type Axis, axisOf, type Bar, barsOf, place, ticksOf } from './axis';
import { isOver, STEP_STATUS } from './state';

const BAR: Record<Bar['kind'], string> = {
  done: 'bg-ok',
  failed: 'bg-bad',
  running: 'bg-run',
  waiting: 'bg-idle',
  'back-off': 'border-t-2 border-dashed border-edge bg-transparent',
};
const ROW = 36;

type WaterfallProps = { run: Run; now: number; selected: number | null; onSelect: (seq: number) => void };

/** Every step of the run on one time axis, with its attempts and the waits between them. */
export function Waterfall({ run, now, selected, onSelect }: WaterfallProps) {
  const t = useWords();
  const phone = usePhone();
  const axis = axisOf(run, now);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: run.steps.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 10,
  });
  function move(by: number) {
    const at = run.steps.findIndex((step) => step.seq === selected);
    const next = run.steps[Math.min(run.steps.length - 1, Math.max(0, at + by))];
    if (!next) return;
    virtual.scrollToIndex(run.steps.indexOf(next));
    onSelect(next.seq);
  }
  useKeys({ j: () => move(1), k: () => move(-1) });
  const live = !isOver(run.state);
  return (
    <section
      ref={scroller}
      aria-label={t('run.steps')}
      tabIndex={0}
      className="max-h-[64vh] overflow-auto -outline-offset-2"
    >
      <Ruler axis={axis} most={phone ? 2 : 5} />
      <ol className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const step = run.steps[item.index];
          return (
            step && (
              <li
                key={step.seq}
                className="absolute inset-x-0"
                style={{ height: ROW, transform: `translateY(${item.start}px)` }}
              >
                <StepRow
                  step={step}
                  axis={axis}
                  now={now}
                  live={live}
                  isSelected={step.seq === selected}
                  onSelect={onSelect}
                />
              </li>
            )
          );
        })}
      </ol>
    </section>
  );
}

const TRACKS =
  'grid grid-cols-[minmax(150px,240px)_minmax(120px,1fr)_76px] max-sm:grid-cols-[minmax(120px,1fr)_minmax(80px,1fr)_64px]';

function Ruler({ axis, most }: { axis: Axis; most: number }) {
  const t = useWords();
  return (
    <div
      className={`${TRACKS} sticky top-0 z-10 h-8 items-center border-b border-line bg-sunken px-4 text-xs font-medium text-ink-2`}
    >
      <span>{t('run.step')}</span>
      <div aria-hidden className="relative mx-2 h-full overflow-hidden">
        {ticksOf(axis, most)
          // The last one's words would be cut at the edge.
          .filter((tick) => place(axis, axis.from + tick) < 90)
          .map((tick) => (
            <span
              key={tick}
              className="numeric absolute top-2 border-l border-line pl-1 font-normal whitespace-nowrap"
              style={{ left: `${place(axis, axis.from + tick)}%` }}
            >
              {formatDuration(tick)}
            </span>
          ))}
      </div>
      <span className="text-right">{t('runs.took')}</span>
    </div>
  );
}

type StepRowProps = {
  step: Step;
  axis: Axis;
  now: number;
  live: boolean;
  isSelected: boolean;
  onSelect: (seq: number) => void;
};

function StepRow({ step, axis, now, live, isSelected, onSelect }: StepRowProps) {
  const t = useWords();
  const took = step.took_ms ?? now - Date.parse(step.started_at);
  const attempts = step.attempts.length;
  return (
    <button
      type="button"
      aria-pressed={isSelected}
      onClick={() => onSelect(step.seq)}
      className={`${TRACKS} h-full w-full items-center border-b border-line px-4 text-left text-sm text-ink -outline-offset-2 hover:bg-hover aria-pressed:bg-accent-soft`}
    >
      <span className="flex min-w-0 items-center gap-2">
        <StatusMark status={STEP_STATUS[step.state]} />
        <span className="min-w-0 truncate" title={`${step.name} ${step.key}`}>
          {step.name}
          {step.key && <span className="font-mono text-xs text-ink-2"> {step.key}</span>}
        </span>
        {attempts > 1 && (
          <span className="numeric shrink-0 rounded-tag bg-warn-soft px-1 text-xs text-warn-ink">
            {t('run.attempts_n', { count: attempts })}
          </span>
        )}
        <span className="sr-only">{wordFor(t, `step_state.${step.state}`, step.state)}</span>
      </span>
      <span aria-hidden className="relative mx-2 h-full overflow-hidden">
        {live && <span className="absolute inset-y-0 w-px bg-run" style={{ left: `${place(axis, now)}%` }} />}
        {barsOf(step, now).map((bar) => (
          <span
            key={`${bar.kind} ${bar.attempt}`}
            className={`absolute rounded-tag ${bar.kind === 'back-off' ? 'top-[17px] h-0' : 'top-3 h-3 min-w-[3px]'} ${BAR[bar.kind]}`}
            style={{
              left: `min(calc(100% - 3px), ${place(axis, bar.from)}%)`,
              width: `${place(axis, bar.to) - place(axis, bar.from)}%`,
            }}
          />
        ))}
      </span>
      <span className="numeric text-right text-ink-2">{formatDuration(took)}</span>
    </button>
  );
}
