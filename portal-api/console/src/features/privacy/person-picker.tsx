import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import type { ContactRow } from '#/api/types';
import { personName } from '#/features/records/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { ComboBox } from '#/ui/combo-box';
import { usePerson } from './person-name';
import './words';
import { peopleQuery } from './queries';

type Props = { value: string; onChange: (contact: string) => void };

/** Finds a person among the contacts, by name, address or id. */
export function PersonPicker({ value, onChange }: Props) {
  const t = useWords();
  const [typed, setTyped] = useState('');
  const asked = useDeferredValue(typed.trim());
  const found = useQuery(peopleQuery(asked)).data ?? [];
  const choices = found.map((one) => ({ value: one.id, label: labelOf(one) }));
  return (
    <div className="flex flex-col gap-1">
      {value === '' ? (
        <ComboBox
          label={t('privacy.person')}
          placeholder={t('privacy.find')}
          value=""
          free={(text) => /^ctc_[0-9a-f]{32}$/.test(text)}
          onChange={onChange}
          onType={(text) => setTyped(choices.some((one) => one.label === text) ? '' : text)}
          choices={choices}
        />
      ) : (
        <Chosen value={value} onChange={onChange} />
      )}
    </div>
  );
}

/** Shown by itself, so that nobody asks for another one than they think. */
function Chosen({ value, onChange }: Props) {
  const t = useWords();
  const { name, isGone, person } = usePerson(value);
  const fields = person?.fields ?? {};
  const account = fields.account;
  const more = [
    fields.email,
    fields.phone,
    account && typeof account === 'object' && 'name' in account && account.name,
  ]
    .filter(Boolean)
    .map(String);
  return (
    <>
      <span className="text-xs font-medium text-ink-2">{t('privacy.person')}</span>
      <div className="flex flex-wrap items-center justify-between gap-2 rounded-control border border-line bg-sunken px-3 py-2">
        <span className="min-w-0 text-sm">
          <span className="block font-medium text-ink">
            {isGone ? t('privacy.forgotten') : (name ?? t('privacy.person_loading'))}
          </span>
          <span className="block text-xs break-words text-ink-2">{more.join(' · ')}</span>
        </span>
        <Button size="small" onPress={() => onChange('')}>
          {t('privacy.other')}
        </Button>
      </div>
    </>
  );
}

function labelOf(row: ContactRow): string {
  const more = row.email ?? row.account?.name;
  const name = personName(row.first_name, row.last_name);
  return more ? `${name} · ${more}` : name;
}
