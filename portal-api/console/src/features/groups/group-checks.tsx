import { useQuery } from '@tanstack/react-query';
import { useWords } from '#/lib/words';
import { CheckBox } from '#/ui/check-box';
import { groupsQuery } from './queries';

type Props = {
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
  isDisabled?: boolean;
  /** Of a customer's user: groups of this organization can be chosen too. */
  account?: string | null;
};

/** The groups somebody is in. Nothing where there are no groups. */
export function GroupChecks({ chosen, onChange, isDisabled, account }: Props) {
  const t = useWords();
  const all = useQuery(groupsQuery).data?.items ?? [];
  const groups = all.filter((group) => group.account_id == null || group.account_id === account);
  if (groups.length === 0) return null;
  return (
    <div role="group" aria-label={t('groups.title')} className="flex flex-col gap-1">
      <span aria-hidden className="text-xs font-medium text-ink-2">
        {t('groups.title')}
      </span>
      <div className="grid grid-cols-2 gap-x-4 rounded-control border border-line px-3 py-1.5 max-sm:grid-cols-1">
        {groups.map((group) => (
          <CheckBox
            key={group.id}
            label={group.name}
            value={chosen.includes(group.id)}
            isDisabled={isDisabled}
            onChange={(on) => onChange(on ? [...chosen, group.id] : chosen.filter((id) => id !== group.id))}
          />
        ))}
      </div>
    </div>
  );
}
