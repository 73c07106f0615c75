import { useQuery } from '@tanstack/react-query';
import { sessionQuery, useMay } from '#/features/session/queries';
import '#/features/teams/words';
import { useWords } from '#/lib/words';
import { Select } from '#/ui/select';
import { EVERYBODY } from './default-holder';
import { HolderPicker } from './holders';

type Props = {
  /** What the address says. */
  said: string | undefined;
  /** Whose accounts the list begins with. */
  begins: string | undefined;
  onChange: (holder: string) => void;
};

/** Narrows a list of accounts down to those of somebody. Who sees only what is theirs needs none. */
export function HolderFilter({ said, begins, onChange }: Props) {
  const t = useWords();
  const may = useMay();
  const scope = useQuery(sessionQuery).data?.scope;
  const short = [
    { value: 'me', label: t('assign.mine') },
    { value: 'nobody', label: t('assign.nobody_short') },
  ];
  if (scope !== 'all') return null;
  const any = begins === undefined ? '' : EVERYBODY;
  const value = said ?? begins ?? any;
  const all = { value: any, label: t(begins === undefined ? 'filter.any' : 'assign.everybody') };
  if (may('teams.read')) {
    return (
      <HolderPicker
        inline
        label={t('assign.title')}
        placeholder={t('filter.any')}
        value={value}
        onChange={(holder) => onChange(holder === '' ? any : holder)}
        more={any === '' ? short : [all, ...short]}
      />
    );
  }
  return (
    <Select inline label={t('assign.title')} value={value} onChange={onChange} choices={[all, ...short]} />
  );
}
