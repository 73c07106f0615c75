import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { toProblem } from '#/api/problem';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { devicesQuery, endSession, forgetDevice, sessionsQuery } from './queries';
import './words';

/** Browsers that are not asked for a second factor. */
export function Devices() {
  const t = useWords();
  const client = useQueryClient();
  const query = useQuery(devicesQuery);
  const forget = useMutation({
    mutationFn: forgetDevice,
    onSuccess: async () => {
      toast({ text: t('security.device_forgotten') });
      await client.invalidateQueries({ queryKey: devicesQuery.queryKey });
    },
  });
  const devices = query.data?.items ?? [];
  const failed = query.error ?? forget.error;
  return (
    <Panel title={t('security.devices')}>
      {query.data && devices.length === 0 && (
        <p className="max-w-prose text-sm text-ink-2">{t('security.devices_none')}</p>
      )}
      <ul className="flex flex-col divide-y divide-line">
        {devices.map((device) => (
          <Row key={device.id} agent={device.agent} address={device.address}>
            <span className="text-xs text-ink-2">
              {t('security.until')} <Time at={device.expires_at} />
            </span>
            <Button
              size="small"
              aria-label={`${t('security.device_forget')} ${browserOf(device.agent) ?? t('security.unknown')}`}
              onPress={() => forget.mutate(device.id)}
            >
              {t('security.device_forget')}
            </Button>
          </Row>
        ))}
      </ul>
      {failed && <ErrorState compact error={toProblem(failed)} />}
    </Panel>
  );
}

/** Where one is signed in. */
export function Sessions() {
  const t = useWords();
  const client = useQueryClient();
  const query = useQuery(sessionsQuery);
  const end = useMutation({
    mutationFn: endSession,
    onSuccess: async () => {
      toast({ text: t('security.session_ended') });
      await client.invalidateQueries({ queryKey: sessionsQuery.queryKey });
    },
  });
  const failed = query.error ?? end.error;
  return (
    <Panel title={t('security.sessions')}>
      <ul className="flex flex-col divide-y divide-line">
        {query.data?.items.map((session) => (
          <Row key={session.id} agent={session.agent} address={session.address}>
            <span className="text-xs text-ink-2">
              {t('security.seen')} <Time at={session.last_seen_at} />
            </span>
            {session.current ? (
              <span className="rounded-tag bg-ok-soft px-1.5 text-xs font-medium text-ok-ink">
                {t('security.session_here')}
              </span>
            ) : (
              <Button
                size="small"
                aria-label={`${t('security.session_end')} ${browserOf(session.agent) ?? t('security.unknown')}`}
                onPress={() => end.mutate(session.id)}
              >
                {t('security.session_end')}
              </Button>
            )}
          </Row>
        ))}
      </ul>
      {failed && <ErrorState compact error={toProblem(failed)} />}
    </Panel>
  );
}

type RowProps = { agent: string | null; address: string | null; children: React.ReactNode };

function Row({ agent, address, children }: RowProps) {
  const t = useWords();
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-2 first:pt-0 last:pb-0">
      <div className="min-w-0">
        <p title={agent ?? undefined} className="text-sm font-medium break-words text-ink">
          {browserOf(agent) ?? t('security.unknown')}
        </p>
        <p className="numeric text-xs text-ink-2">{address ?? '—'}</p>
      </div>
      <div className="flex items-center gap-3">{children}</div>
    </li>
  );
}

const BROWSERS = [
  ['Edg', 'Edge'],
  ['OPR', 'Opera'],
  ['Firefox', 'Firefox'],
  ['Chrome', 'Chrome'],
  ['Safari', 'Safari'],
] as const;
const SYSTEMS = [
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Android', 'Android'],
  ['Windows', 'Windows'],
  ['Mac OS', 'macOS'],
  ['Linux', 'Linux'],
] as const;

/** «Chrome · Windows» of what a browser calls itself; its own first word where it is none we know. */
export function browserOf(agent: string | null): string | null {
  if (!agent) return null;
  const browser = BROWSERS.find(([mark]) => agent.includes(mark))?.[1];
  const system = SYSTEMS.find(([mark]) => agent.includes(mark))?.[1];
  return [browser, system].filter(Boolean).join(' · ') || (agent.split(' ')[0] ?? null);
}
