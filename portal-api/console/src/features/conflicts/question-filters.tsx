import { useQuery } from '@tanstack/react-query';
import { connectionNamesQuery } from '#/features/connections/queries';
import { oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Select } from '#/ui/select';
import './words';

type About = { entity?: 'account' | 'contact'; connection_id?: string };

type QuestionFiltersProps = { about: About; onChange: (change: About) => void };

/** What the questions are about: kind of record, connection. */
export function QuestionFilters({ about, onChange }: QuestionFiltersProps) {
  const t = useWords();
  const connections = useQuery(connectionNamesQuery).data ?? [];
  const any = { value: '', label: t('filter.any') };
  return (
    <>
      <Select
        inline
        label={t('conflicts.entity')}
        value={about.entity ?? ''}
        onChange={(value) => onChange({ entity: oneOf(value, ['account', 'contact'] as const) })}
        choices={[
          any,
          { value: 'account', label: t('entity.account') },
          { value: 'contact', label: t('entity.contact') },
        ]}
      />
      <Select
        inline
        label={t('runs.connection')}
        value={about.connection_id ?? ''}
        onChange={(value) => onChange({ connection_id: value })}
        choices={[any, ...connections.map((one) => ({ value: one.id, label: one.name }))]}
      />
    </>
  );
}
