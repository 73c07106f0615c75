import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import { useMay } from '#/features/session/queries';
import { userNamesQuery, userQuery } from '#/features/users/queries';
import { useWords } from '#/lib/words';
import { ComboBox } from '#/ui/combo-box';
import { DayField } from '#/ui/day-field';
import { FilterBar } from '#/ui/filter-bar';
import { countOf } from '#/ui/list-view';
import { Select } from '#/ui/select';
import { type AuditFilters, auditQuery, keyNamesQuery } from './queries';
import { ACTIONS, KINDS, useAuditWords } from './words';

type Props = {
  filters: AuditFilters;
  onChange: (change: AuditFilters) => void;
  onClear?: () => void;
};

/** Who, what, on which thing, when. */
export function AuditFilterBar({ filters, onChange, onClear }: Props) {
  const t = useWords();
  const words = useAuditWords();
  const query = useInfiniteQuery(auditQuery(filters));
  const inSight = query.data?.pages.flatMap((page) => page.items.map((entry) => entry.action)) ?? [];
  const actions = [...new Set([...ACTIONS, ...inSight, ...(filters.action ? [filters.action] : [])])].sort();
  const kind = filters.subject_kind;
  const kinds: string[] = kind && !KINDS.some((one) => one === kind) ? [...KINDS, kind] : [...KINDS];
  return (
    <FilterBar
      count={countOf(query)}
      word={query.hasNextPage ? 'audit.count_more' : 'audit.count'}
      onClear={onClear}
    >
      <ActorFilter value={filters.actor ?? ''} onChange={(actor) => onChange({ actor })} />
      <ComboBox
        inline
        free={() => true}
        label={t('audit.action')}
        placeholder={t('filter.any')}
        value={filters.action ?? ''}
        onChange={(action) => onChange({ action })}
        choices={actions.map((action) => ({ value: action, label: words.action(action) }))}
      />
      <Select
        inline
        label={t('audit.what')}
        value={kind ?? ''}
        onChange={(subject_kind) => onChange({ subject_kind, subject_id: undefined })}
        choices={[
          { value: '', label: t('filter.any') },
          ...kinds.map((one) => ({ value: one, label: words.kind(one) })),
        ]}
      />
      <DayField
        label={t('audit.from')}
        value={filters.from ?? ''}
        max={filters.to}
        onChange={(from) => onChange({ from })}
      />
      <DayField
        label={t('audit.to')}
        value={filters.to ?? ''}
        min={filters.from}
        onChange={(to) => onChange({ to })}
      />
    </FilterBar>
  );
}

function ActorFilter({ value, onChange }: { value: string; onChange: (actor: string) => void }) {
  const t = useWords();
  const may = useMay();
  const [typed, setTyped] = useState('');
  const asked = useDeferredValue(typed.trim());
  const users = useQuery({ ...userNamesQuery(asked), enabled: may('users.read') }).data ?? [];
  const keys = useQuery({ ...keyNamesQuery, enabled: may('keys.manage') }).data?.items ?? [];
  // The one in the address need not be among those that were looked up.
  const chosen = useQuery({
    ...userQuery(value),
    enabled: value.startsWith('usr_') && may('users.read'),
  }).data;
  const wanted = asked.toLowerCase();
  const choices = [
    ...users.map((user) => ({ value: user.id, label: user.name })),
    ...keys
      .filter((key) => key.name.toLowerCase().includes(wanted))
      .map((key) => ({ value: key.id, label: t('audit.key_named', { name: key.name }) })),
  ];
  if (value !== '' && !choices.some((choice) => choice.value === value))
    choices.unshift({ value, label: chosen?.name ?? value });
  return (
    <ComboBox
      inline
      free={(typed) => /^(usr|key)_[0-9a-f]{32}$/.test(typed)}
      label={t('audit.who')}
      placeholder={t('filter.any')}
      value={value}
      onChange={onChange}
      onType={(text) => setTyped(choices.some((choice) => choice.label === text) ? '' : text)}
      choices={choices}
    />
  );
}
