import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Keyboard, LogOut, Search, ShieldCheck, UserRound } from 'lucide-react';
import { Button as AriaButton } from 'react-aria-components/Button';
import { Menu, MenuItem, MenuTrigger } from 'react-aria-components/Menu';
import { Popover } from 'react-aria-components/Popover';
import type { Session } from '#/api/types';
import { signOut } from '#/features/session/queries';
import { away } from '#/lib/away';
import { useWords, wordFor } from '#/lib/words';
import { Keys } from '#/ui/keys';
import { ThemeSwitch } from '#/ui/theme-switch';
import { toast } from '#/ui/toast';
import { Mark } from './mark';

type TopBarProps = { session: Session; onPalette: () => void; onKeys: () => void };

const isMac = /Mac|iPhone|iPad/.test(globalThis.navigator?.userAgent ?? '');

export function TopBar({ session, onPalette, onKeys }: TopBarProps) {
  const t = useWords();
  const production = session.tenant.environment === 'production';
  return (
    <header
      className={`flex h-12 shrink-0 items-center gap-4 border-b bg-surface px-4 max-sm:gap-2 ${production ? 'border-accent' : 'border-line'}`}
    >
      <div className="flex min-w-0 flex-1 items-center gap-2.5">
        <Link to="/" aria-label={t('shell.home')} className="flex items-center rounded-tag">
          <Mark />
        </Link>
        <span className="min-w-0 truncate text-sm font-semibold text-ink">{session.tenant.name}</span>
        <span
          className={`shrink-0 rounded-tag px-1.5 text-xs font-medium ${production ? 'bg-accent text-on-accent' : 'bg-idle-soft text-idle-ink'}`}
        >
          {session.tenant.environment}
        </span>
      </div>
      <AriaButton
        onPress={onPalette}
        className="flex h-8 w-90 max-w-[34vw] items-center gap-2 rounded-control border border-line bg-canvas px-2 text-sm text-ink-3 hover:border-edge touch max-sm:w-11 max-sm:justify-center max-sm:border-transparent max-sm:bg-transparent"
      >
        <Search aria-hidden size={16} className="shrink-0" />
        <span className="min-w-0 flex-1 truncate text-left max-sm:sr-only">{t('shell.palette')}</span>
        <span className="max-lg:hidden">
          <Keys value={isMac ? '⌘ K' : 'Ctrl K'} />
        </span>
      </AriaButton>
      <div className="flex flex-1 items-center justify-end gap-1 max-sm:flex-none">
        <ThemeSwitch />
        <Profile session={session} onKeys={onKeys} />
      </div>
    </header>
  );
}

function Profile({ session, onKeys }: { session: Session; onKeys: () => void }) {
  const t = useWords();
  const client = useQueryClient();
  const navigate = useNavigate();
  async function leave() {
    let there: string | null;
    try {
      there = await signOut();
    } catch (error) {
      toast({ text: t('shell.sign_out_failed', { reason: String(error) }), bad: true });
      return;
    }
    client.clear();
    // Where one came from another place, one is signed out there too, and sent back.
    if (there !== null) return away.to(there);
    await navigate({ to: '/sign-in' });
  }
  const item =
    'flex h-8 items-center gap-2 rounded-control px-2 text-sm text-ink outline-none focus:bg-hover touch';
  return (
    <MenuTrigger>
      <AriaButton
        aria-label={t('shell.profile', { name: session.user.name })}
        className="inline-flex size-8 items-center justify-center rounded-control text-ink-2 hover:bg-hover hover:text-ink touch"
      >
        <UserRound aria-hidden size={16} strokeWidth={1.75} />
      </AriaButton>
      <Popover className="min-w-56 rounded-menu border border-line bg-raised shadow-float">
        <div className="border-b border-line px-3 py-2">
          <p className="text-sm font-medium text-ink">{session.user.name}</p>
          <p className="text-xs text-ink-2">{session.user.email}</p>
          <p className="text-xs text-ink-3">{wordFor(t, `role.${session.user.role}`, session.user.role)}</p>
        </div>
        <Menu aria-label={t('shell.profile_menu')} className="p-1 outline-none">
          <MenuItem onAction={() => void navigate({ to: '/security' })} className={item}>
            <ShieldCheck aria-hidden size={16} className="text-ink-3" /> {t('security.menu')}
          </MenuItem>
          <MenuItem onAction={onKeys} className={item}>
            <Keyboard aria-hidden size={16} className="text-ink-3" /> {t('keys.title')}
          </MenuItem>
          <MenuItem onAction={() => void leave()} className={item}>
            <LogOut aria-hidden size={16} className="text-ink-3" /> {t('shell.sign_out')}
          </MenuItem>
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
