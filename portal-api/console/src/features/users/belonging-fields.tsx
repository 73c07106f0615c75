import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import type { RoleName } from '#/api/types';
import { partnersQuery } from '#/features/partners/queries';
import { accountNamesQuery, recordQuery } from '#/features/records/queries';
import { useMay } from '#/features/session/queries';
import '#/features/teams/words';
import { useWords, wordFor } from '#/lib/words';
import { ComboBox } from '#/ui/combo-box';
import { Select } from '#/ui/select';
import { textOf } from '#/ui/value';
import { type Belonging, scopesOf, sideOf } from './belonging';

type Props = {
  role: RoleName;
  value: Belonging;
  onChange: (change: Partial<Belonging>) => void;
  isDisabled?: boolean;
};

/** Which accounts somebody sees, and the organisation of people from outside. */
export function BelongingFields({ role, value, onChange, isDisabled }: Props) {
  const t = useWords();
  const side = sideOf(role);
  const scopes = scopesOf(role);
  const said = t('scope.by_role', { scope: t(`scope.${scopes[0] ?? 'all'}`) });
  const seen = value.scope ?? scopes[0] ?? 'all';
  return (
    <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
      {side === 'partner' && (
        <PartnerSelect
          value={value.partner_id}
          onChange={(partner_id) => onChange({ partner_id })}
          isDisabled={isDisabled}
        />
      )}
      {side === 'customer' && (
        <AccountFinder
          value={value.account_id}
          onChange={(account_id) => onChange({ account_id })}
          isDisabled={isDisabled}
        />
      )}
      {scopes.length > 1 && (
        <Select
          label={t('scope.title')}
          name="scope"
          help={wordFor(t, `scope_help.${seen}`, '')}
          value={value.scope ?? ''}
          onChange={(scope) => onChange({ scope: scope === '' ? null : scope })}
          choices={[
            { value: '', label: said },
            ...scopes.map((scope) => ({ value: scope, label: t(`scope.${scope}`) })),
          ]}
          isDisabled={isDisabled}
        />
      )}
    </div>
  );
}

type OneProps = { value: string | null; onChange: (id: string | null) => void; isDisabled?: boolean };

function PartnerSelect({ value, onChange, isDisabled }: OneProps) {
  const t = useWords();
  const may = useMay();
  const sees = may('teams.read');
  const query = useQuery({ ...partnersQuery, enabled: sees });
  const partners = query.data?.items ?? [];
  const known = partners.map((one) => ({ value: one.id, label: one.name }));
  if (value !== null && !known.some((one) => one.value === value)) known.push({ value, label: value });
  return (
    <Select
      label={t('partners.one')}
      name="partner_id"
      help={t(
        !sees
          ? 'partners.unseen'
          : query.data && partners.length === 0
            ? 'partners.none_yet'
            : 'partners.of_user',
      )}
      value={value ?? ''}
      onChange={(id) => onChange(id === '' ? null : id)}
      choices={[{ value: '', label: t('partners.no_organization') }, ...known]}
      isDisabled={isDisabled}
    />
  );
}

function AccountFinder({ value, onChange, isDisabled }: OneProps) {
  const t = useWords();
  const [typed, setTyped] = useState('');
  const asked = useDeferredValue(typed.trim());
  const found = useQuery(accountNamesQuery(asked)).data ?? [];
  const chosen = useQuery({ ...recordQuery('accounts', value ?? ''), enabled: value !== null }).data;
  const choices = found.map((one) => ({ value: one.id, label: one.name }));
  if (value !== null && !choices.some((one) => one.value === value))
    choices.unshift({ value, label: chosen ? textOf(chosen.fields.name) : value });
  if (isDisabled) {
    return (
      <p className="flex flex-col gap-1 text-sm text-ink">
        <span className="text-xs font-medium text-ink-2">{t('users.account')}</span>
        {chosen ? textOf(chosen.fields.name) : t('users.account_none')}
      </p>
    );
  }
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <ComboBox
        label={t('users.account')}
        placeholder={t('accounts.search')}
        value={value ?? ''}
        onChange={(id) => onChange(id === '' ? null : id)}
        onType={(text) => setTyped(choices.some((one) => one.label === text) ? '' : text)}
        choices={choices}
      />
      <span className="text-xs text-ink-3">{t('users.account_help')}</span>
    </div>
  );
}
