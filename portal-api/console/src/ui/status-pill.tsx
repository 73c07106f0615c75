import {
  Ban,
  Circle,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CirclePause,
  Clock,
  LoaderCircle,
  type LucideIcon,
  TriangleAlert,
} from 'lucide-react';

/** What a state means to the person who sees it; each has its own shape, so that colour never stands alone. */
export type Status =
  | 'succeeded'
  | 'running'
  | 'failed'
  | 'partial'
  | 'queued'
  | 'paused'
  | 'waiting'
  | 'off'
  | 'new';

const LOOK: Record<Status, { icon: LucideIcon; box: string; mark: string; turn?: boolean }> = {
  succeeded: { icon: CircleCheck, box: 'bg-ok-soft text-ok-ink', mark: 'text-ok' },
  running: { icon: LoaderCircle, box: 'bg-run-soft text-run-ink', mark: 'text-run', turn: true },
  failed: { icon: CircleAlert, box: 'bg-bad-soft text-bad-ink', mark: 'text-bad' },
  partial: { icon: TriangleAlert, box: 'bg-warn-soft text-warn-ink', mark: 'text-warn' },
  queued: { icon: CircleDashed, box: 'bg-idle-soft text-idle-ink', mark: 'text-idle' },
  paused: { icon: CirclePause, box: 'bg-hold-soft text-hold-ink', mark: 'text-hold' },
  waiting: { icon: Clock, box: 'bg-idle-soft text-idle-ink', mark: 'text-idle' },
  off: { icon: Ban, box: 'bg-idle-soft text-idle-ink', mark: 'text-idle' },
  new: { icon: Circle, box: 'bg-idle-soft text-idle-ink', mark: 'text-idle' },
};

export function StatusPill({ status, children }: { status: Status; children: string }) {
  const { box } = LOOK[status];
  return (
    <span
      className={`inline-flex h-5 max-w-full align-middle items-center gap-1 rounded-full pr-2 pl-1 text-xs font-medium ${box}`}
    >
      <StatusMark status={status} />
      <span className="truncate">{children}</span>
    </span>
  );
}

/** The icon alone, where the word stands beside it anyway. */
export function StatusMark({ status, size = 14 }: { status: Status; size?: number }) {
  const { icon: Icon, mark, turn } = LOOK[status];
  return (
    <Icon
      aria-hidden
      size={size}
      strokeWidth={2.25}
      className={`shrink-0 ${mark} ${turn ? 'animate-turn' : ''}`}
    />
  );
}
