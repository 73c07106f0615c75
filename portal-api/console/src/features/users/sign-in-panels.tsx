import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { KeyRound, Link2, LockOpen, LogOut } from 'lucide-react';
import { useState } from 'react';
import type { PasswordLink, User } from '#/api/types';
import { browserOf } from '#/features/factors/browsers';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState, ErrorState } from '#/ui/states';
import { StatusPill } from '#/ui/status-pill';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { LinkDialog } from './link-dialog';
import {
  endUserSession,
  endUserSessions,
  resetFactors,
  sendLink,
  unlockUser,
  userQuery,
  userSessionsQuery,
} from './queries';

/** Password, lock and second factor of somebody else, and what an admin can do about each. */
export function SignInPanel({ user, isSelf }: { user: User; isSelf: boolean }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [resetting, setResetting] = useState(false);
  const [made, setMade] = useState<PasswordLink | null>(null);
  const link = useMutation({ mutationFn: guard<string, PasswordLink>(sendLink), onSuccess: setMade });
  const unlock = useMutation({
    mutationFn: guard<string, User>(unlockUser),
    onSuccess: async (saved) => {
      toast({ text: t('users.unlocked', { name: user.name }) });
      client.setQueryData(userQuery(user.id).queryKey, saved);
      await client.invalidateQueries({ queryKey: ['users', 'list'] });
    },
  });
  const reset = useMutation({
    mutationFn: guard<string, void>(resetFactors),
    onSuccess: async () => {
      setResetting(false);
      toast({ text: t('users.factor_reset') });
      await client.invalidateQueries({ queryKey: ['users'] });
    },
  });
  const failed = link.error ?? unlock.error;
  return (
    <Panel title={t('users.sign_in')}>
      <ul className="flex flex-col divide-y divide-line">
        <Item label={t('users.password')} text={t(`users.password_${stateOf(user)}`)}>
          {user.state !== 'deactivated' && (
            <Button icon={Link2} onPress={() => link.mutate(user.id)} isPending={link.isPending}>
              {t(user.state === 'invited' ? 'users.resend' : 'users.send_link')}
            </Button>
          )}
        </Item>
        {user.locked_until && (
          <Item
            label={t('users.lock')}
            text={
              <>
                {t('users.lock_text')} <Time at={user.locked_until} as="full" />
              </>
            }
          >
            <Button icon={LockOpen} onPress={() => unlock.mutate(user.id)} isPending={unlock.isPending}>
              {t('users.unlock')}
            </Button>
          </Item>
        )}
        <Item
          label={t('users.factor')}
          text={t(user.has_factor ? 'users.factor_text' : 'users.factor_none_text')}
        >
          {user.has_factor ? (
            !isSelf && (
              <Button icon={KeyRound} onPress={() => setResetting(true)}>
                {t('users.factor_reset_action')}
              </Button>
            )
          ) : (
            <StatusPill status="new">{t('users.factor_none')}</StatusPill>
          )}
        </Item>
      </ul>
      {failed && (
        <div className="mt-3">
          <ErrorState compact error={failed} />
        </div>
      )}
      <Confirm
        title={t('users.factor_reset_named', { name: user.name })}
        isOpen={resetting}
        onClose={() => setResetting(false)}
        text={[t('users.factor_reset_gone'), t('users.factor_reset_sessions'), t('users.factor_reset_told')]}
        action={t('users.factor_reset_action')}
        onConfirm={() => reset.mutate(user.id)}
        isPending={reset.isPending}
        error={reset.error}
      />
      <LinkDialog to={user.email} made={made} onClose={() => setMade(null)} />
      {dialog}
    </Panel>
  );
}

function stateOf(user: User): 'active' | 'invited' | 'deactivated' {
  return user.state === 'invited' || user.state === 'deactivated' ? user.state : 'active';
}

type ItemProps = { label: string; text: React.ReactNode; children: React.ReactNode };

function Item({ label, text, children }: ItemProps) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3 first:pt-0 last:pb-0">
      <div className="min-w-0 max-w-prose flex-1 basis-60">
        <p className="text-sm font-medium text-ink">{label}</p>
        <p className="text-sm text-ink-2">{text}</p>
      </div>
      {children}
    </li>
  );
}

/** Where a user is signed in; each can be ended from here. */
export function SessionsPanel({ user }: { user: User }) {
  const t = useWords();
  const client = useQueryClient();
  const query = useQuery(userSessionsQuery(user.id));
  const [endingAll, setEndingAll] = useState(false);
  const refresh = () => client.invalidateQueries({ queryKey: userSessionsQuery(user.id).queryKey });
  const end = useMutation({
    mutationFn: endUserSession,
    onSuccess: async () => {
      toast({ text: t('users.session_ended') });
      await refresh();
    },
  });
  const endAll = useMutation({
    mutationFn: endUserSessions,
    onSuccess: async () => {
      setEndingAll(false);
      toast({ text: t('users.sessions_ended') });
      await refresh();
    },
  });
  const sessions = query.data?.items ?? [];
  return (
    <Panel
      title={t('users.sessions')}
      actions={
        sessions.length > 1 && (
          <Button size="small" icon={LogOut} onPress={() => setEndingAll(true)}>
            {t('users.sessions_end')}
          </Button>
        )
      }
    >
      <QueryView query={query} loading={t('users.sessions_loading')} skeletonRows={2}>
        {() =>
          sessions.length === 0 ? (
            <EmptyState title={t('users.sessions_none')} />
          ) : (
            <ul className="flex flex-col divide-y divide-line">
              {sessions.map((session) => {
                const browser = browserOf(session.agent) ?? t('security.unknown');
                return (
                  <li
                    key={session.id}
                    className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-2 first:pt-0 last:pb-0"
                  >
                    <div className="min-w-0">
                      <p
                        title={session.agent ?? undefined}
                        className="text-sm font-medium break-words text-ink"
                      >
                        {browser}
                      </p>
                      <p className="numeric text-xs text-ink-2">
                        {session.address ?? '—'} · {t('users.signed_in')} <Time at={session.created_at} />
                      </p>
                    </div>
                    <div className="flex items-center gap-3">
                      <span className="text-xs text-ink-2">
                        {t('security.seen')} <Time at={session.last_seen_at} as="age" />
                      </span>
                      {session.current ? (
                        <span className="rounded-tag bg-ok-soft px-1.5 text-xs font-medium text-ok-ink">
                          {t('security.session_here')}
                        </span>
                      ) : (
                        <Button
                          size="small"
                          aria-label={t('users.session_end_named', { browser })}
                          onPress={() => end.mutate({ id: user.id, session: session.id })}
                        >
                          {t('users.session_end')}
                        </Button>
                      )}
                    </div>
                  </li>
                );
              })}
            </ul>
          )
        }
      </QueryView>
      {end.error && <ErrorState compact error={end.error} />}
      <Confirm
        danger={false}
        title={t('users.sessions_end_named', { name: user.name })}
        isOpen={endingAll}
        onClose={() => setEndingAll(false)}
        text={[t('users.sessions_end_text'), t('users.sessions_end_again')]}
        action={t('users.sessions_end')}
        onConfirm={() => endAll.mutate(user.id)}
        isPending={endAll.isPending}
        error={endAll.error}
      />
    </Panel>
  );
}
