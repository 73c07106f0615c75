import { CircleAlert, CircleCheck, RefreshCw, TriangleAlert } from 'lucide-react';
import { toProblem } from '#/api/problem';
import { useWords, wordFor } from '#/lib/words';
import { Button } from './button';
import { Id } from './id';

type EmptyProps = {
  title: string;
  text?: string;
  action?: React.ReactNode;
  /** Nothing here is what one hopes for. */
  good?: boolean;
};

export function EmptyState({ title, text, action, good = false }: EmptyProps) {
  return (
    <div className="flex flex-col items-start gap-2 px-4 py-8">
      <p className="flex items-center gap-2 text-base font-medium text-ink">
        {good && <CircleCheck aria-hidden size={16} className="text-ok" />}
        {title}
      </p>
      {text && <p className="max-w-prose text-sm text-ink-2">{text}</p>}
      {action && <div className="mt-2 flex flex-wrap gap-2">{action}</div>}
    </div>
  );
}

type ErrorProps = { error: unknown; onRetry?: () => void; title?: string; compact?: boolean };

/** What happened, what to do, and the request's id to hand on. */
export function ErrorState({ error, onRetry, title, compact = false }: ErrorProps) {
  const t = useWords();
  const problem = toProblem(error);
  const remedy = wordFor(t, `problem.${problem.slug}`, t('problem.other'));
  return (
    <div
      role="alert"
      className={`flex items-start gap-3 ${compact ? 'rounded-control bg-bad-soft p-3' : 'px-4 py-6'}`}
    >
      <CircleAlert aria-hidden size={18} className="mt-0.5 shrink-0 text-bad" />
      <div className="flex min-w-0 flex-col gap-1">
        <p className={`text-base font-medium ${compact ? 'text-bad-ink' : 'text-ink'}`}>
          {title ?? problem.title}
        </p>
        {problem.message !== problem.title && (
          <p
            className={`text-sm break-words first-letter:uppercase ${compact ? 'text-bad-ink' : 'text-ink-2'}`}
          >
            {problem.message}
          </p>
        )}
        <p className={`max-w-prose text-sm ${compact ? 'text-bad-ink' : 'text-ink-2'}`}>{remedy}</p>
        {problem.instance && (
          <p className="flex flex-wrap items-center gap-1 text-xs text-ink-2">
            {t('ui.request')} <Id value={problem.instance} />
          </p>
        )}
        {onRetry && (
          <div className="mt-2">
            <Button size="small" icon={RefreshCw} onPress={onRetry}>
              {t('ui.try_again')}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

/** A line over content that may be older than it looks. */
type StaleProps = {
  children: React.ReactNode;
  onRetry?: () => void /** It stands among other things, not along an edge. */;
  loose?: boolean;
};

export function StaleBanner({ children, onRetry, loose = false }: StaleProps) {
  const t = useWords();
  return (
    <div
      role="status"
      className={`flex flex-wrap items-center gap-x-3 gap-y-1 bg-warn-soft px-4 py-1.5 text-sm text-warn-ink ${loose ? 'rounded-control' : 'border-b border-line'}`}
    >
      <TriangleAlert aria-hidden size={14} className="shrink-0" />
      <span className="min-w-0">{children}</span>
      {onRetry && (
        <Button size="small" look="quiet" className="text-warn-ink" onPress={onRetry}>
          {t('ui.try_again')}
        </Button>
      )}
    </div>
  );
}
