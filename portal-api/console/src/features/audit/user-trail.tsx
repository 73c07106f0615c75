import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { User } from '#/api/types';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import { EntryList } from './entry-list';

const SIDES = ['to', 'by'] as const;
type Side = (typeof SIDES)[number];

/** What was done to a user, or by them. */
export function UserTrail({ user }: { user: User }) {
  const t = useWords();
  const [side, setSide] = useState<Side>('to');
  const filters = side === 'to' ? { subject_kind: 'user', subject_id: user.id } : { actor: user.id };
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Select
          inline
          label={t('audit.show')}
          value={side}
          onChange={(value) => setSide(SIDES.find((one) => one === value) ?? 'to')}
          choices={SIDES.map((value) => ({ value, label: t(`audit_side.${value}`, { name: user.name }) }))}
        />
        <Link to="/audit" search={filters} className={`text-sm ${LINK}`}>
          {t('audit.open')}
        </Link>
      </div>
      <EntryList whole filters={filters} empty={<EmptyState title={t('audit.none')} />} />
    </div>
  );
}
