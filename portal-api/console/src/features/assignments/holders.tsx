import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Handshake, type LucideIcon, UserRound, Users } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { partnersQuery } from '#/features/partners/queries';
import { useMay } from '#/features/session/queries';
import { teamsQuery } from '#/features/teams/queries';
import '#/features/teams/words';
import { userNamesQuery, userQuery } from '#/features/users/queries';
import { useWords } from '#/lib/words';
import { ComboBox } from '#/ui/combo-box';
import { cut } from '#/ui/id';
import { LINK } from '#/ui/link';
import { type HolderKind, kindOf } from './order';

const ICON: Record<HolderKind, LucideIcon> = { user: UserRound, team: Users, partner: Handshake };
const PAGE = { user: '/users/$id', team: '/teams/$id', partner: '/partners/$id' } as const;

type HolderProps = { id: string; name: string };

/** Who looks after an account: their kind as an icon, their name, and their page for those who may see it. */
export function Holder({ id, name }: HolderProps) {
  const t = useWords();
  const may = useMay();
  const kind = kindOf(id);
  const Icon = ICON[kind];
  const seen = may(kind === 'user' ? 'users.read' : 'teams.read');
  return (
    <span className="inline-flex max-w-full min-w-0 items-center gap-1.5">
      <Icon role="img" aria-label={t(`holder.${kind}`)} size={14} className="shrink-0 text-ink-3" />
      {seen ? (
        <Link to={PAGE[kind]} params={{ id }} className={`truncate ${LINK}`}>
          {name}
        </Link>
      ) : (
        <span className="truncate">{name}</span>
      )}
    </span>
  );
}

type PickerProps = {
  label: string;
  value: string;
  onChange: (id: string) => void;
  /** Those who cannot be chosen here. */
  without?: readonly string[];
  inline?: boolean;
  placeholder?: string;
  /** Choices beside users, teams and partners. */
  more?: readonly { value: string; label: string }[];
};

/** A team, a partner or a user, found by name. */
export function HolderPicker(props: PickerProps) {
  const { label, value, onChange, without = [], inline, placeholder, more = [] } = props;
  const t = useWords();
  const may = useMay();
  const [typed, setTyped] = useState('');
  const asked = useDeferredValue(typed.trim());
  const teams = useQuery({ ...teamsQuery, enabled: may('teams.read') }).data?.items ?? [];
  const partners = useQuery({ ...partnersQuery, enabled: may('teams.read') }).data?.items ?? [];
  const users = useQuery({ ...userNamesQuery(asked), enabled: may('users.read') }).data ?? [];
  const chosen = useHolderName(value);
  const wanted = asked.toLowerCase();
  const known = [
    ...more,
    ...teams.map((team) => ({ value: team.id, label: t('holder.team_named', { name: team.name }) })),
    ...partners.map((one) => ({ value: one.id, label: t('holder.partner_named', { name: one.name }) })),
  ];
  const choices = [
    ...known.filter((one) => one.label.toLowerCase().includes(wanted)),
    // The server has looked for those.
    ...users.map((user) => ({
      value: user.id,
      label: user.state === 'deactivated' ? t('holder.former', { name: user.name }) : user.name,
    })),
  ].filter((choice) => choice.value === value || !without.includes(choice.value));
  // The one that is chosen need not be among those that were looked up.
  if (value !== '' && !choices.some((choice) => choice.value === value))
    choices.unshift({ value, label: more.find((one) => one.value === value)?.label ?? chosen ?? value });
  return (
    <ComboBox
      inline={inline}
      label={label}
      placeholder={placeholder ?? t('holder.find')}
      value={value}
      onChange={onChange}
      onType={(text) => setTyped(choices.some((choice) => choice.label === text) ? '' : text)}
      choices={choices}
    />
  );
}

/** What somebody who can look after accounts is called, by id; nothing while it is not known. */
export function useHolderName(id: string): string | undefined {
  const may = useMay();
  const kind = kindOf(id);
  const teams = useQuery({ ...teamsQuery, enabled: kind === 'team' && may('teams.read') }).data?.items;
  const partners = useQuery({ ...partnersQuery, enabled: kind === 'partner' && may('teams.read') }).data
    ?.items;
  const isUser = id.startsWith('usr_') && may('users.read');
  const user = useQuery({ ...userQuery(id), enabled: isUser }).data;
  if (kind === 'team') return teams?.find((one) => one.id === id)?.name;
  if (kind === 'partner') return partners?.find((one) => one.id === id)?.name;
  return user?.name;
}

/** The same by id alone. */
export function HolderName({ id }: { id: string }) {
  return <Holder id={id} name={useHolderName(id) ?? cut(id)} />;
}

type NamesProps = { holders: readonly { id: string; name: string }[] };

/** Those who look after an account, in the cell of a list. */
export function HolderNames({ holders }: NamesProps) {
  const t = useWords();
  if (holders.length === 0) return <span className="text-ink-3">{t('assign.nobody_short')}</span>;
  const names = holders.map((one) => one.name).join(', ');
  return <span title={names}>{names}</span>;
}
