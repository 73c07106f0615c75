import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import type { Field } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { ClassSelect } from '#/features/privacy/class-select';
import { PrivacyNav } from '#/features/privacy/privacy-nav';
import { CLASSES } from '#/features/privacy/states';
import { catalogueQuery } from '#/features/records/queries';
import { useMay } from '#/features/session/queries';
import { compact, oneOf } from '#/lib/search';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';

const NOUNS = ['contacts', 'accounts'] as const;

type FieldSearch = { of?: (typeof NOUNS)[number]; class?: (typeof CLASSES)[number] };

export const Route = createFileRoute('/_app/personal-data')({
  validateSearch: (search): FieldSearch => ({
    of: oneOf(search.of, NOUNS),
    class: oneOf(search.class, CLASSES),
  }),
  component: PersonalDataPage,
});

function PersonalDataPage() {
  const t = useWords();
  return (
    <Permitted needs="privacy.manage" title={t('personal.title')}>
      <Fields />
    </Permitted>
  );
}

/** Which fields say something about a person, as the catalogue has it. */
function Fields() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay();
  const noun = search.of ?? 'contacts';
  const query = useQuery(catalogueQuery(noun));
  const shown = query.data?.filter((one) => search.class === undefined || one.personal === search.class);
  const set = (change: FieldSearch) =>
    void navigate({ search: (old) => compact({ ...old, ...change }), replace: true });
  const clear = () => set({ class: undefined });
  const columns: Column<Field>[] = [
    {
      id: 'label',
      header: t('personal.field'),
      width: 'minmax(150px, 1.2fr)',
      phone: 'name',
      cell: (one) => one.label,
    },
    {
      id: 'class',
      header: t('personal.class'),
      width: '168px',
      phone: 'status',
      cell: (one) =>
        one.custom && may('fields.manage') ? (
          <ClassSelect field={one} noun={noun}>
            <Personal value={one.personal} />
          </ClassSelect>
        ) : (
          <Personal value={one.personal} />
        ),
    },
    {
      id: 'name',
      header: t('personal.name'),
      width: 'minmax(150px, 1.2fr)',
      phone: 'fact',
      cell: (one) => <code className="font-mono text-xs text-ink-2">{one.name}</code>,
    },
    {
      id: 'effect',
      header: t('personal.effect'),
      width: 'minmax(200px, 2fr)',
      hides: 2,
      cell: (one) => wordFor(t, `personal_effect.${one.personal}`, ''),
    },
    {
      id: 'own',
      header: t('personal.origin'),
      width: '128px',
      hides: 3,
      cell: (one) => t(one.custom ? 'personal.own' : 'personal.built_in'),
    },
  ];
  return (
    <Page fill title={t('personal.title')}>
      <PrivacyNav />
      <p className="max-w-prose text-sm text-ink-2">{t('personal.text')}</p>
      <FilterBar
        count={shown?.length}
        word="personal.count"
        onClear={search.class === undefined ? undefined : clear}
      >
        <Select
          inline
          label={t('personal.of')}
          value={noun}
          onChange={(value) => set({ of: oneOf(value, NOUNS) })}
          choices={NOUNS.map((one) => ({ value: one, label: t(`${one}.title`) }))}
        />
        <Select
          inline
          label={t('personal.class')}
          value={search.class ?? ''}
          onChange={(value) => set({ class: oneOf(value, CLASSES) })}
          choices={[
            { value: '', label: t('filter.any') },
            ...CLASSES.map((one) => ({ value: one, label: t(`personal_class.${one}`) })),
          ]}
        />
      </FilterBar>
      <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
        <QueryView query={query} loading={t('personal.loading')} skeletonRows={10}>
          {() =>
            shown === undefined || shown.length === 0 ? (
              <EmptyState
                title={t('filter.nothing')}
                action={<Button onPress={clear}>{t('filter.clear')}</Button>}
              />
            ) : (
              <Table
                label={t('personal.title')}
                columns={columns}
                rows={shown}
                idOf={(one) => one.name}
                total={shown.length}
              />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}

const LOOK = {
  sensitive: 'bg-bad-soft text-bad-ink',
  identifying: 'bg-warn-soft text-warn-ink',
  no: 'bg-idle-soft text-idle-ink',
} as const;

function Personal({ value }: { value: Field['personal'] }) {
  const t = useWords();
  return (
    <span className={`inline-flex h-5 items-center rounded-tag px-1.5 text-xs font-medium ${LOOK[value]}`}>
      {t(`personal_class.${value}`)}
    </span>
  );
}
