import { useQuery } from '@tanstack/react-query';
import { sessionQuery, useMay } from '#/features/session/queries';
import '#/features/teams/words';
import { useWords } from '#/lib/words';
import { Select } from '#/ui/select';
import { HolderPicker } from './holders';

type Props = { value: string; onChange: (holder: string) => void };

/** Narrows a list of accounts down to those of somebody. Who sees only what is theirs needs none. */
export function HolderFilter({ value, onChange }: Props) {
  const t = useWords();
  const may = useMay();
  const scope = useQuery(sessionQuery).data?.scope;
  const short = [
    { value: 'me', label: t('assign.mine') },
    { value: 'nobody', label: t('assign.nobody_short') },
  ];
  if (scope !== 'all') return null;
  if (may('teams.read')) {
    return (
      <HolderPicker
        inline
        label={t('assign.title')}
        placeholder={t('filter.any')}
        value={value}
        onChange={onChange}
        more={short}
      />
    );
  }
  return (
    <Select
      inline
      label={t('assign.title')}
      value={value}
      onChange={onChange}
      choices={[{ value: '', label: t('filter.any') }, ...short]}
    />
  );
}
